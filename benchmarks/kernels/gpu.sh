#!/usr/bin/env bash
# Everything that needs a GPU, in under ten minutes: `benchmarks/kernels/gpu.sh [OUT]`, from the root of the repository.
#
# Asks for python3 with torch, Triton, numpy and pytest, and for nothing else: no network, no other package. What is
# done is kept in OUT (default: benchmarks/kernels/results) as it is done; run it again on the same day and it goes on
# where it was. Rows of another day, machine or version are measured anew, and after a change of the code the gate is.
#   1. gate: every op and the forward pass against their definitions, on the GPU
#   2. the benchmark grid, the ranker's forward pass first; all beside torch.compile last, for compiling takes longest
#   3. OUT/summary.txt: the gate, how far the grid came, and the goals with what was measured of each
# Afterwards, with the CSV files in benchmarks/kernels/results: `python -m benchmarks.kernels report`.
set -uo pipefail
cd "$(dirname "$0")/../.."
OUT=${1:-benchmarks/kernels/results}
PYTHON=${PYTHON:-python3}
mkdir -p "$OUT"
END=$((SECONDS + ${BUDGET_S:-570}))

"$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || {
	echo "this needs a CUDA GPU, and PyTorch sees none here" >&2
	exit 2
}
"$PYTHON" -c 'import torch, triton; print(torch.cuda.get_device_name(), "torch", torch.__version__, "Triton", triton.__version__)'

status=0
SOURCES=$(find kernels inference cache runtime benchmarks tests -name '*.py' | LC_ALL=C sort | xargs cat | cksum | cut -d ' ' -f 1)
if [ ! -e "$OUT/gate-passed-$SOURCES" ]; then
	if timeout 240 "$PYTHON" -m pytest -c tests/gpu/pytest.ini --rootdir=. tests/unit/kernels tests/unit/inference/forward >"$OUT/gate.log" 2>&1; then
		touch "$OUT/gate-passed-$SOURCES"
	else
		status=1 # the benchmarks check every provider themselves: go on, and say so
	fi
	tail -n 15 "$OUT/gate.log"
fi
"$PYTHON" -m benchmarks.kernels gpu --out "$OUT" --resume --seconds $((END - SECONDS)) 2>&1 | tee -a "$OUT/grid.log" || status=1
"$PYTHON" -m benchmarks.kernels summary --out "$OUT" || status=1
exit $status
