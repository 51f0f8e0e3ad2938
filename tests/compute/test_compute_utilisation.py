"""Real use of devices: instruments' words, hostile ones too; what nobody says is never zero."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_budget import Scripted
from test_compute_statements_service import JANUARY

from yunhe.compute import service as compute
from yunhe.compute.live.domain import Idle
from yunhe.compute.live.idling import judge, watched
from yunhe.compute.providers.seam import Silence
from yunhe.compute.service import statements
from yunhe.compute.utilisation import reading, sampling
from yunhe.compute.utilisation.domain import FULL, Mean, Sample, of_processors, reported
from yunhe.custody import service as custody
from yunhe.kernel.clock import SECOND_US

NOW_US = 1_723_621_890_000_000
UUID = "GPU-8f6d1c3a-0000-4000-8000-000000000000"
BLANKS = (
    "2147483632",
    "2147483634",
    "9223372036854775794",
    "9.223372036854775794e+18",
    "140737488355328",
    "NaN",
    "[N/A]",
    "[Not Supported]",
    "",
)
LIES = ("-1", "101", "1e9", "Inf", "-0.5", "9" * 50)
NPU_SMI = """\
+------------------------------------------------------------------------------------+
| npu-smi 24.1.rc1                 Version: 24.1.rc1                                 |
+---------------------------+---------------+----------------------------------------+
| NPU   Name                | Health        | Power(W)  Temp(C)   Hugepages-Usage    |
| Chip                      | Bus-Id        | AICore(%) Memory-Usage(MB)  HBM-Usage  |
+===========================+===============+========================================+
| 0     910B3               | OK            | 94.2      41        0    / 0           |
| 0                         | 0000:C1:00.0  | 37        0    / 0   4163 / 65536      |
+===========================+===============+========================================+
| 1     910B3               | Warning       | 90.0      40        0    / 0           |
| 0                         | 0000:01:00.0  | {use}     0    / 0   4163 / 65536      |
+===========================+===============+========================================+
| No running processes found in NPU 1                                                |
"""


def said(found: reading.Reading) -> dict[str, int]:
    return {each.device: each.per_thousand for each in found.samples}


def codes(found: reading.Reading) -> list[str]:
    assert all(each.message(language) for each in found.findings for language in ("en", "zh"))
    return [each.code for each in found.findings]


def dcgm(value: str, *, name: str = "DCGM_FI_DEV_GPU_UTIL", gpu: str = "1") -> str:
    return (
        f'{name}{{gpu="{gpu}",UUID="{UUID}",modelName="NVIDIA }} \\"H\\"",Hostname="n"}} {value}\n'
    )


def test_nvidia_smi_is_read_line_by_line():
    found = reading.nvidia_smi(f"0, {UUID}, 63\n1, {UUID}, [N/A]\n2, {UUID}, 100 %\n3, {UUID}, 0\n")
    assert (said(found), codes(found)) == ({"0": 630, "2": 1_000, "3": 0}, [])


def test_the_table_of_npu_smi_is_read_by_card_and_chip():
    found = reading.npu_smi(NPU_SMI.format(use="100"))
    assert (said(found), codes(found)) == ({"0/0": 370, "1/0": 1_000}, [])


def test_exporters_are_read_and_the_better_counter_counts():
    text = "# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).\n" + dcgm("12")
    text += dcgm("0.4375", name="DCGM_FI_PROF_GR_ENGINE_ACTIVE") + dcgm("7", gpu="0")
    assert said(reading.exporter(text, now_us=NOW_US)) == {"0": 70, "1": 438}
    at = NOW_US // 1_000
    npu = f'npu_chip_info_utilization{{id="0",model_name="910B"}} 12 {at}\n'
    npu += (
        f'npu_chip_info_utilization{{npuID="1"}} 0 {at}\nnpu_chip_info_power{{id="0"}} 72.8 {at}\n'
    )
    assert said(reading.exporter(npu, now_us=NOW_US)) == {"0": 120, "1": 0}


@pytest.mark.parametrize("value", BLANKS, ids=range(len(BLANKS)))
def test_what_an_instrument_calls_blank_is_neither_zero_nor_a_finding(value):
    found = reading.nvidia_smi(f"0, {UUID}, {value}\n1, {UUID}, 5\n")
    assert (said(found), codes(found)) == ({"1": 50}, [])
    if value.strip("[") and not value.startswith("["):
        text = dcgm(value) + dcgm("5", gpu="2")
        assert (said(reading.exporter(text, now_us=NOW_US)), codes(found)) == ({"2": 50}, [])


@pytest.mark.parametrize("value", LIES, ids=range(len(LIES)))
def test_a_value_that_cannot_be_true_is_refused_with_a_finding_and_costs_no_other(value):
    for found in (
        reading.nvidia_smi(f"0, {UUID}, {value}\n1, {UUID}, 5\n"),
        reading.exporter(dcgm(value, gpu="0") + dcgm("5"), now_us=NOW_US),
        reading.npu_smi(NPU_SMI.replace(" 37 ", f" {value} ").format(use=5)),
    ):
        assert codes(found) == ["compute.utilisation_range"]
        assert list(said(found).values()) == [50]


def test_samples_from_the_future_are_refused_and_stale_ones_left_out():
    def at(us: int) -> reading.Reading:
        line = f'npu_chip_info_utilization{{id="0"}} 5 {us // 1_000}\n'
        return reading.exporter(line, now_us=NOW_US)

    assert codes(at(NOW_US + 2 * reading.AHEAD_US)) == ["compute.utilisation_future"]
    old = at(NOW_US - 2 * reading.LATE_US)
    assert (said(old), codes(old)) == ({}, [])
    assert said(at(NOW_US)) == {"0": 50}


def test_lines_that_are_no_lines_are_told_up_to_a_bound():
    odd = ("0, a, b, c", "x", "0 12", "0, u, 1;2", "\x00, u, 4", "-1, u, 4", f"0, {UUID}, 4")
    found = reading.nvidia_smi("\n".join((*odd, f"0, {UUID}, 9")))
    assert said(found) == {"0": 40}
    assert codes(found) == ["compute.utilisation_line"] * 7
    assert len(reading.nvidia_smi("?\n" * 1_000).findings) == reading.FINDINGS_MAX
    torn = dcgm("4")[:-20] + "\n" + 'DCGM_FI_DEV_GPU_UTIL{UUID="x"} 4\nDCGM_FI_DEV_GPU_UTIL 4\n'
    assert codes(reading.exporter(torn, now_us=NOW_US)) == ["compute.utilisation_line"] * 3


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=200), st.sampled_from(["", "DCGM_FI_DEV_GPU_UTIL{", "| 0 | 0000:C1:00.0 | "])
)
def test_whatever_is_said_no_reader_breaks_or_leaves_the_bounds(text, before):
    for found in (
        reading.nvidia_smi(before + text),
        reading.npu_smi(before + text),
        reading.exporter(before + text, now_us=NOW_US),
    ):
        assert all(0 <= each.per_thousand <= FULL for each in found.samples)
        assert len(found.findings) <= reading.FINDINGS_MAX


def test_a_long_hostile_line_is_read_in_linear_time():
    line = "DCGM_FI_DEV_GPU_UTIL{" + 'a="\\"' * 50_000
    assert codes(reading.exporter(line, now_us=NOW_US)) == ["compute.utilisation_line"]


@given(st.lists(st.integers(0, FULL), min_size=1))
def test_the_mean_is_that_of_all_samples_to_the_nearest(values):
    mean = Mean()
    assert (mean.per_thousand, mean.samples) == (None, 0)
    for value in values:
        mean.add([Sample("0", value)])
    assert mean.samples == len(values)
    assert abs(mean.per_thousand - math.fsum(values) / len(values)) <= 0.5


@pytest.mark.parametrize(
    ("per_thousand", "samples"),
    [
        (-1, 5),
        (1_001, 5),
        (500, 0),
        (500, -1),
        (True, 1),
        ("9", 1),
        (5.0, 1),
        (500, None),
        (1, 2**50),
    ],
)
def test_a_report_that_cannot_be_true_counts_as_none_and_says_so(per_thousand, samples):
    found = reported(per_thousand, samples)
    assert (found.per_thousand, found.samples) == (None, 0)
    assert found.finding == "compute.utilisation_refused"


def test_a_sound_report_and_none_at_all():
    assert reported(None, 7) == reported(None, 0)
    assert (reported(0, 1).per_thousand, reported(FULL, 1).finding) == (0, "")
    assert of_processors(cpu_ms=500, wall_ms=1_000, devices=2) == 250
    assert of_processors(cpu_ms=9_000, wall_ms=1_000, devices=2) == FULL


class Instrument:
    """Says what it is told to say."""

    def __init__(self, *values: int) -> None:
        self.values, self.findings = values, ()

    def read(self) -> reading.Reading:
        samples = tuple(Sample(str(at), value) for at, value in enumerate(self.values))
        return reading.Reading(samples, self.findings)


def test_a_meter_counts_only_when_it_sees_just_the_devices_of_the_job():
    instrument = Instrument(100, 300)
    meter = sampling.Meter(instrument, devices=2)
    meter.look()
    assert (meter.per_thousand, meter.samples, meter.latest(), meter.latest()) == (
        200,
        2,
        200,
        None,
    )
    instrument.values = (900,)
    meter.look()
    assert (meter.per_thousand, meter.samples, meter.latest()) == (200, 2, None)
    with sampling.Meter(None, devices=2) as nothing:
        assert nothing.per_thousand is None


def test_who_hears_the_job_hears_of_its_devices():
    heard: list[tuple[str, int]] = []

    class Ear(Silence):
        def used(self, cpu_ms: int) -> None:
            heard.append(("cpu", cpu_ms))

        def utilised(self, per_thousand: int) -> None:
            heard.append(("device", per_thousand))

    meter = sampling.Meter(Instrument(640), devices=1)
    live = meter.told(Ear())
    live.used(1)
    meter.look()
    live.used(2)
    live.used(3)
    assert heard == [("cpu", 1), ("cpu", 2), ("device", 640), ("cpu", 3)]


def test_a_command_that_fails_or_is_not_there_says_nothing():
    def of(*code: str) -> reading.Reading:
        return sampling.CommandSampler((sys.executable, "-c", *code), reading.nvidia_smi).read()

    assert said(of("print('0, GPU-1, 55')")) == {"0": 550}
    assert of("import sys; print('0, GPU-1, 55'); sys.exit(9)") == reading.Reading()
    gone = sampling.CommandSampler(("/nowhere/nvidia-smi",), reading.nvidia_smi)
    assert gone.read() == reading.Reading()
    assert sampling.here("Nobody") is None


def test_an_exporter_that_does_not_answer_says_nothing():
    def broken(_: str) -> str:
        raise OSError("refused")

    where = "http://127.0.0.1:9400/metrics"
    assert sampling.ExporterSampler(where, fetch=broken).read() == reading.Reading()
    answering = sampling.ExporterSampler(where, fetch=lambda _: dcgm("5"), now_us=lambda: NOW_US)
    assert said(answering.read()) == {"1": 50}


def test_idle_is_judged_by_the_devices_where_their_use_is_reported():
    policy = Idle(minutes=10, cpu_percent=5)
    begun = watched(0)
    minute = 60 * SECOND_US

    def verdict(cpu_ms: int, per_thousand: int | None) -> str:
        return judge(
            begun, policy, now_us=minute, cpu_ms=cpu_ms, devices=1, per_thousand=per_thousand
        )[1]

    assert (verdict(60_000, None), verdict(0, None)) == ("busy", "idle")
    assert (verdict(60_000, 10), verdict(0, 50)) == ("idle", "busy")


class Sampled(Scripted):
    """A provider whose instrument saw so much."""

    def __init__(self, wall_ms: int, per_thousand: int | None, samples: int = 6) -> None:
        super().__init__("succeeded", wall_ms)
        seen = {"utilisation_per_thousand": per_thousand, "utilisation_samples": samples}
        self._metered = replace(self._metered, **seen)


def test_usage_tells_real_use_beside_what_was_allocated_and_what_is_not_known(city):
    for key, per_thousand in (("a", 640), ("b", 0), ("c", None)):
        made = city.submit(key)
        compute.run_next(city.storage, Sampled(10_000, per_thousand))
        done = city.see(made)
        assert done.usage.utilisation_per_thousand == per_thousand
    with city.storage.database.read() as tx:
        (line,) = statements.usage(tx, period=JANUARY)
        assert (line.device_ms, line.reported_ms, line.busy_ms) == (30_000, 20_000, 6_400)
        assert statements.utilised_by_chip(tx) == [("cpu", 20_000, 6_400)]
        rows = statements.export(tx, period=JANUARY).to_pylist()
    usage = [row for row in rows if row["ChargeCategory"] == "Usage"]
    assert [row["x_UtilisationPerThousand"] for row in usage] == [640, 0, None]
    assert [row["x_UtilisationSamples"] for row in usage] == [6, 6, None]


def test_the_processors_of_this_machine_are_counted_by_the_kernel(city, local):
    done = city.submit("real")
    compute.run_next(city.storage, local)
    usage = city.see(done).usage
    assert usage.utilisation_samples == 1
    assert 0 <= usage.utilisation_per_thousand <= FULL
    whole = min(usage.cpu_ms * 1_000 // usage.wall_ms, FULL)
    assert usage.utilisation_per_thousand == whole
    with city.storage.database.read() as tx:
        assert custody.record(tx, city.see(done).reference).body["term"] == "on_demand"


def test_labels_without_an_end_cost_no_square_of_time():
    line = "DCGM_FI_DEV_GPU_UTIL{" + "a" * 1_000_000 + "} 1"
    found = reading.exporter(line, now_us=NOW_US)
    assert (found.samples, len(found.findings)) == ((), 1)


def test_an_exporter_elsewhere_is_never_asked():
    for url in ("http://169.254.169.254/metrics", "file:///etc/passwd", "http://npu:1/"):
        with pytest.raises(ValueError, match="://"):
            sampling.ExporterSampler(url)
