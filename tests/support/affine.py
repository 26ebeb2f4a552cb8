"""Points of short Weierstrass curves in affine coordinates, by the textbook: slow, and nobody else's code."""

from typing import NamedTuple

Point = tuple[int, int] | None


class Affine(NamedTuple):
    """y^2 = x^3 + ax + b over the field of p elements."""

    p: int
    a: int

    def add(self, one: Point, other: Point) -> Point:
        if one is None or other is None:
            return one or other
        if one[0] == other[0] and (one[1] + other[1]) % self.p == 0:
            return None
        if one == other:
            slope = (3 * one[0] * one[0] + self.a) * pow(2 * one[1], -1, self.p) % self.p
        else:
            slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, self.p) % self.p
        x = (slope * slope - one[0] - other[0]) % self.p
        return (x, (slope * (one[0] - x) - one[1]) % self.p)

    def multiply(self, point: Point, times: int) -> Point:
        found: Point = None
        while times:
            if times & 1:
                found = self.add(found, point)
            point = self.add(point, point)
            times >>= 1
        return found
