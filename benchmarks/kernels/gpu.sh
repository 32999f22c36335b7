#!/usr/bin/env bash
# Everything that needs a GPU, in under ten minutes: `benchmarks/kernels/gpu.sh [OUT]`, from the root of the repository.
#
# Asks for python3 with torch, Triton, numpy and pytest, and for nothing else: no network, no other package. What is
# done is kept in OUT (default: var/bench/kernels) as it is done; run it again on the same day and it goes on
# where it was. Of another day, machine, version or source all is measured anew, and but for the day the gate is, too.
#   1. gate: every op and the forward pass against their definitions, on the GPU (`make test-gpu`)
#   2. the benchmark grid, the ranker's forward pass first; all beside torch.compile last, for compiling takes longest.
#      A case that takes the GPU from its process is kept as failed, and another process goes on with the next.
#   3. OUT/summary.txt: the gate, how far the grid came, and the goals with what was measured of each
# Ends within BUDGET_S seconds (default 590): the gate, each case and the summary are held to what is left of it.
# Status: 0 all is measured and right; 1 all is measured but what failed; 2 no GPU, no PyTorch or a wrong call; 4 time is up: run it again.
# Afterwards, where the repository and its tools are: `python -m benchmarks.kernels report --from OUT` for its tables,
# or with OUT/gpu.csv in benchmarks/kernels/results, which is what `make bench-gpu` has as OUT, `... report` for the pages.
set -uo pipefail
cd "$(dirname "$0")/../.."
OUT=${1:-var/bench/kernels}
PYTHON=${PYTHON:-python3}
SUMMARY_S=30 # for the summary, and for what is killed to end
LAST_S=30    # for the case that has begun when no other may
END=$((SECONDS + ${BUDGET_S:-590} - SUMMARY_S))

"$PYTHON" -c 'import torch, triton, numpy, pytest' || {
	echo "$PYTHON lacks something of torch, Triton, numpy and pytest; PYTHON=... names another" >&2
	exit 2
}
"$PYTHON" -c 'import sys, torch, triton; torch.cuda.is_available() or sys.exit(1)
print(torch.cuda.get_device_name(), "torch", torch.__version__, "Triton", triton.__version__)' || {
	echo "this needs a CUDA GPU, and PyTorch sees none here" >&2
	exit 2
}

mkdir -p "$OUT"

# A gate that fails is told; the benchmarks check every provider themselves and are measured all the same.
"$PYTHON" -m benchmarks.kernels gate --out "$OUT" --seconds $((END - SECONDS))
gate=$?

grid=4
while ((END - SECONDS > LAST_S)); do
	timeout -k 5 $((END - SECONDS)) \
		"$PYTHON" -m benchmarks.kernels gpu --out "$OUT" --resume --seconds $((END - SECONDS - LAST_S)) 2>&1 | tee -a "$OUT/grid.log"
	grid=${PIPESTATUS[0]}
	# Done, wrong usage, no GPU any more or out of time; all else is a process that died, and the next goes on.
	case $grid in
	0 | 2 | 4) break ;;
	5) grid=1 && break ;;
	124 | 137) grid=4 && break ;;
	esac
	grid=4
done
"$PYTHON" -m benchmarks.kernels summary --out "$OUT" || true # it says the same as the statuses above
((grid == 0 && gate != 0)) && grid=1
exit $grid
