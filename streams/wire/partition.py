"""On which partition a key lies: murmur2, as Kafka's own clients place it; for readers of one key's partition."""

_SEED = 0x9747B28C
_M = 0x5BD1E995
_WORD = 0xFFFFFFFF


def partition_of(key: str, num_partitions: int) -> int:
    """The partition of a record with this key, if its producer uses `murmur2_random` or Kafka's default."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % num_partitions


def murmur2(data: bytes) -> int:
    """Kafka's variant of murmur2, as an unsigned 32-bit integer."""
    value = (_SEED ^ len(data)) & _WORD
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        word = (int.from_bytes(data[start : start + 4], "little") * _M) & _WORD
        word ^= word >> 24
        value = ((value * _M) & _WORD) ^ ((word * _M) & _WORD)
    if tail := data[whole:]:
        value = ((value ^ int.from_bytes(tail, "little")) * _M) & _WORD
    value ^= value >> 13
    value = (value * _M) & _WORD
    return value ^ (value >> 15)
