"""The colours of the page for light and dark, chosen so that every text has contrast ≥ 4.5.

Source: WCAG 2.2, 1.4.3 (contrast) and 1.4.1 (colour is never the only sign). A test computes every
pair that is used.
"""

from __future__ import annotations

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "paper": "#fbfaf7",
    "card": "#ffffff",
    "sunken": "#f3f1ec",
    "ink": "#1c2429",
    "muted": "#556068",
    "line": "#dcd9d1",
    "accent": "#0f5f74",
    "accent-soft": "#e4f0f3",
    "bar": "#4d94a9",
    "baseline": "#8a5a13",
    "good": "#1b6b41",
    "good-soft": "#e9f4ed",
    "bad": "#ad2318",
    "bad-soft": "#fbeceb",
    "warn": "#7a5200",
    "warn-soft": "#fbf2dd",
    "heat-0": "#ffffff",
    "heat-1": "#e8f1f4",
    "heat-2": "#c7dfe6",
    "heat-3": "#93c1cf",
    "heat-4": "#287187",
    "heat-5": "#0d4a5c",
    "heat-0-ink": "#59646b",
    "heat-1-ink": "#1c2429",
    "heat-2-ink": "#1c2429",
    "heat-3-ink": "#1c2429",
    "heat-4-ink": "#ffffff",
    "heat-5-ink": "#ffffff",
}
"""Colours on light paper."""

DARK: Mapping[str, str] = {
    "paper": "#12171a",
    "card": "#1a2125",
    "sunken": "#20282d",
    "ink": "#e5e8ea",
    "muted": "#a3afb6",
    "line": "#334047",
    "accent": "#7cc7dc",
    "accent-soft": "#1c343d",
    "bar": "#3f8399",
    "baseline": "#e2b667",
    "good": "#7fd3a0",
    "good-soft": "#193026",
    "bad": "#ff9a90",
    "bad-soft": "#3a211f",
    "warn": "#e8bf68",
    "warn-soft": "#33291a",
    "heat-0": "#1a2125",
    "heat-1": "#20333b",
    "heat-2": "#274a57",
    "heat-3": "#2f6577",
    "heat-4": "#74b9cd",
    "heat-5": "#b0deea",
    "heat-0-ink": "#a3afb6",
    "heat-1-ink": "#e5e8ea",
    "heat-2-ink": "#eef3f5",
    "heat-3-ink": "#ffffff",
    "heat-4-ink": "#12171a",
    "heat-5-ink": "#12171a",
}
"""Colours on dark paper."""

HEAT_STEPS = 6
"""Steps of the heat map's scale."""

TEXT_PAIRS: tuple[tuple[str, str], ...] = (
    *((ink, ground) for ink in ("ink", "muted") for ground in ("paper", "card", "sunken")),
    *(("accent", ground) for ground in ("paper", "card", "accent-soft")),
    *((tone, ground) for tone in ("good", "bad", "warn") for ground in ("paper", "card")),
    *((tone, f"{tone}-soft") for tone in ("good", "bad", "warn")),
    *(("ink", f"{tone}-soft") for tone in ("good", "bad", "warn", "accent")),
    *(("muted", f"{tone}-soft") for tone in ("good", "bad", "warn")),
    ("baseline", "card"),
    *((f"heat-{step}-ink", f"heat-{step}") for step in range(HEAT_STEPS)),
)
"""Text colour and the ground it stands on, for every pair the style sheet uses."""
