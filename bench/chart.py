"""A bar chart as SVG, without a library: two bars a row."""

from xml.sax.saxutils import escape

_WIDTH, _LEFT, _BAR, _GAP = 760, 220, 18, 26


def chart(rows: list[tuple[str, float, float]]) -> str:
    """`rows`: name, ours, nginx; CPU microseconds per request, shorter is better."""
    most = max(max(ours, other) for _, ours, other in rows) or 1.0
    height = 40 + len(rows) * (2 * _BAR + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"',
        ' font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text x="10" y="20">Server CPU per request in microseconds (shorter is better)</text>',
    ]
    top = 40
    for name, ours, other in rows:
        parts.append(f'<text x="{_LEFT - 10}" y="{top + _BAR + 4}" text-anchor="end">{escape(name)}</text>')
        for offset, (label, value, colour) in enumerate((("hsmgate", ours, "#1f5fa8"), ("nginx", other, "#9aa5b1"))):
            y = top + offset * _BAR
            width = value / most * (_WIDTH - _LEFT - 150)
            parts.append(f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 3}" fill="{colour}"/>')
            parts.append(f'<text x="{_LEFT + width + 6:.1f}" y="{y + 12}">{label} {value:.0f}</text>')
        top += 2 * _BAR + _GAP
    return "\n".join([*parts, "</svg>", ""])
