"""What the launch rules know of the GPUs that they are made for."""

MULTIPROCESSORS = 132  # of an H100 or H200
ENOUGH_PROGRAMS = 2 * MULTIPROCESSORS  # with fewer, multiprocessors idle: while one program waits the other computes
