"""Where work may be placed, by law, contract and wish: rules as data, checked in one place."""
