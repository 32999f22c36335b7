"""What the launch rules and the shares of a peak know of the GPUs that they are made for. Nothing here was measured."""

MULTIPROCESSORS = 132  # of an H100 or H200
ENOUGH_PROGRAMS = 2 * MULTIPROCESSORS  # with fewer, multiprocessors idle: while one program waits the other computes

# By the data sheets. Dense products of an H100 or H200 by bytes a number: of 16 bits, and float32 without matrix units.
DATASHEET_FLOPS_PER_S = {2: 989e12, 4: 67e12}
DATASHEET_BYTES_PER_S = 4.8e12  # of an H200
