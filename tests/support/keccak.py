"""Keccak from its specification, as an independent judge: SHA-3 is the same with another padding."""

MASK = (1 << 64) - 1


def keccak(data: bytes, bits: int, suffix: int = 0x01) -> bytes:
    """The digest of `bits` bits; suffix 0x01: the original Keccak, 0x06: SHA-3."""
    rate = 200 - bits // 4
    padded = bytearray(data + b"\0" * (rate - len(data) % rate))
    padded[len(data)] ^= suffix
    padded[-1] ^= 0x80
    state = [0] * 25
    for start in range(0, len(padded), rate):
        for lane in range(rate // 8):
            state[lane] ^= int.from_bytes(padded[start + 8 * lane : start + 8 * lane + 8], "little")
        state = _permute(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state)[: bits // 8]


def _permute(state: list[int]) -> list[int]:
    feedback = 1
    for _ in range(24):
        columns = [state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20] for x in range(5)]
        state = [
            lane ^ columns[(i - 1) % 5] ^ _rotate(columns[(i + 1) % 5], 1)
            for i, lane in ((index, state[index]) for index in range(25))
        ]
        x, y, carried = 1, 0, state[1]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            state[x + 5 * y], carried = _rotate(carried, (step + 1) * (step + 2) // 2), state[x + 5 * y]
        state = [
            state[i] ^ (~state[i - i % 5 + (i + 1) % 5] & MASK & state[i - i % 5 + (i + 2) % 5]) for i in range(25)
        ]
        for exponent in range(7):
            if feedback & 1:
                state[0] ^= 1 << ((1 << exponent) - 1)
            feedback = (feedback << 1) ^ (0x171 if feedback & 0x80 else 0)
    return state


def _rotate(lane: int, by: int) -> int:
    by %= 64
    return ((lane << by) | (lane >> (64 - by))) & MASK
