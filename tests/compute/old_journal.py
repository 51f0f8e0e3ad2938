"""A journal as the release before kept it: version 1, one pass, letter by letter."""

from __future__ import annotations

VERSION_1 = (
    '{"format": "yunhe-passes", "version": 1}\n'
    '{"decided":[{"cash_minor":200,"chip":"cpu","currency":"CNY","draws":[{"award":"a","devic'
    'e_ms":200000}],"nodes":[[0,2]],"of":"w1","pieces":[],"pool":"p","term":"on_demand","vouc'
    'her":null,"voucher_minor":0,"what":"Placement"},{"of":"w2","what":"Wait","why":{"changes'
    '":[{"code":"compute.change_pool","params":[["chip","cpu"],["missing",9]]}],"code":"compu'
    'te.waiting_no_pool","params":[["chip","cpu"],["needed",9],["largest",4]],"shorter_wall_s'
    'econds":0}},{"of":"w3","what":"Wait","why":{"changes":[{"code":"add","params":[]}],"code'
    '":"x.y","params":[["n",1]],"shorter_wall_seconds":0}}],"now_us":10,"picture":{"awards":['
    '{"chip":"cpu","expires_at_us":1000000000000000000,"id":"a","left_ms":1000000000,"organis'
    'ation":"u"}],"busy":[["u",1]],"cash":[[["u","CNY"],1000000]],"guide":null,"pools":[{"chi'
    'p":"cpu","currency":"CNY","devices":4,"devices_busy":1,"divided":false,"down":[],"gone":'
    '[],"id":"p","nodes":[],"price_minor_per_device_hour":3600,"reserved_minor_per_device_hou'
    'r":null,"site":"","spot_minor_per_device_hour":null}],"queue":[{"attained_us":0,"blocked'
    '":null,"checkpoint_seconds":0,"chip":"cpu","cpu_milli":0,"devices":2,"expected_us":0,"fa'
    'bric":"any","home":"","id":"w1","kind":"","memory_mib":0,"milli":0,"number":1,"organisat'
    'ion":"u","preemptible":false,"priority":0,"project":"","pushed_out":0,"replicas":1,"rese'
    'rved_at":[],"since_us":5,"sites":["p","q"],"spot":false,"substitutes":[],"transfer_secon'
    'ds":[],"wall_seconds_max":100},{"attained_us":0,"blocked":null,"checkpoint_seconds":0,"c'
    'hip":"cpu","cpu_milli":0,"devices":9,"expected_us":0,"fabric":"any","home":"","id":"w2",'
    '"kind":"","memory_mib":0,"milli":0,"number":2,"organisation":"u","preemptible":false,"pr'
    'iority":0,"project":"","pushed_out":0,"replicas":1,"reserved_at":[],"since_us":6,"sites"'
    ':null,"spot":false,"substitutes":[["gpu",700]],"transfer_seconds":[],"wall_seconds_max":'
    '100},{"attained_us":0,"blocked":{"changes":[{"code":"add","params":[]}],"code":"x.y","pa'
    'rams":[["n",1]],"shorter_wall_seconds":0},"checkpoint_seconds":0,"chip":"cpu","cpu_milli'
    '":0,"devices":1,"expected_us":0,"fabric":"any","home":"","id":"w3","kind":"","memory_mib'
    '":0,"milli":0,"number":3,"organisation":"u","preemptible":false,"priority":0,"project":"'
    '","pushed_out":0,"replicas":1,"reserved_at":[],"since_us":7,"sites":null,"spot":false,"s'
    'ubstitutes":[],"transfer_seconds":[],"wall_seconds_max":10}],"running":[],"used_us":[],"'
    'usual":[],"vouchers":[],"weights":[],"windows":[]}}'
    "\n"
)
