"""The colors of arms: eight that color-blind people can tell apart, and gray for random.

Against their background all have a contrast of 3:1 or more.
"""

LIGHT = (
    "#2c50c4",
    "#c2570c",
    "#12803f",
    "#a3258c",
    "#0f7f94",
    "#8a6d00",
    "#7a3fd1",
    "#b3261e",
    "#6b7280",
)
DARK = (
    "#8fa8ff",
    "#ff9d5c",
    "#5fd08f",
    "#f08fdc",
    "#5cc9de",
    "#e0c04a",
    "#c3a1ff",
    "#ff8f86",
    "#9aa0aa",
)
INK, LINES = "#1c1e22", "#dcdcd6"
