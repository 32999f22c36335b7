"""`python -m tests.compile_gate [OP ...] [--write]`: every shipped kernel, compiled for sm_90 without a GPU.

`--served` compiles what the served passes of all variants launch instead, `--grid` what the GPU's benchmark does, with
the sizes they have; of these no figures are kept.

An op is named as its folder in kernels/; of one in plain PyTorch there is nothing to compile.

A configuration passes when it compiles, uses no stack and no local memory, fits into shared memory, and its machine
code holds the instructions that are meant and none that must not be there. What it uses is kept beside the kernel in
`resources.json`; a difference is a finding, `--write` accepts it.

What is compiled stands in the op's `cases.py`. Float16 differs from bfloat16 in the type of the same instructions: the
first case of bfloat16 is compiled in it, too.
"""

import argparse
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, CompiledKernel

from kernels.compile_case import CompileCase
from tests.fake_gpu import Launch
from tests.launches import distinct
from tests.rehearsal import grid_launches, served_launches

KERNELS = Path(__file__).parent.parent / "kernels"
TOOLS = Path(triton.__file__).parent / "backends/nvidia/bin"
TARGET = GPUTarget("cuda", 90, 32)
MAX_SHARED_BYTES = 232_448  # a block of an H100 or H200 can have so many; the compiler does not check it
INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+ )?([A-Z][A-Z0-9_.]+)", re.MULTILINE)
COUNTED = ("HGMMA", "QGMMA", "IGMMA", "HMMA", "LDGSTS", "LDG", "STG", "UTMALDG", "UTMASTG", "ATOMG", "POPC")


def ops() -> list[str]:
    """The names of all ops."""
    return sorted(path.parent.name for path in KERNELS.glob("*/op.py"))


def compiled(case: CompileCase) -> CompiledKernel:
    """The case in machine code."""
    position = case.kernel.arg_names.index  # attributes are found by it, whatever the order of the signature
    source = ASTSource(
        fn=case.kernel,
        signature={**case.signature, **dict.fromkeys(case.constants, "constexpr")},
        constexprs=dict(case.constants),
        attrs={(position(name),): [["tt.divisibility", 16]] for name in case.aligned},
    )
    options = {"num_warps": case.num_warps, "num_stages": case.num_stages, **case.options}
    return triton.compile(source, target=TARGET, options=options)


def examine(case: CompileCase, kernel: CompiledKernel) -> tuple[dict[str, int], list[str]]:
    """What the compiled case uses, and what is wrong with it."""
    usage, opcodes = _disassembled(kernel.asm["cubin"])
    used = {"registers": usage["REG"], "shared_bytes": kernel.metadata.shared, "stack_bytes": usage["STACK"]}
    used |= {name: n for name in COUNTED if (n := sum(c for op, c in opcodes.items() if op.split(".")[0] == name))}
    wrong = []
    if used["shared_bytes"] > MAX_SHARED_BYTES:
        wrong.append(f"{used['shared_bytes']} bytes of shared memory; {MAX_SHARED_BYTES} are there")
    if used["stack_bytes"] or any(opcode.split(".")[0] in ("LDL", "STL") for opcode in opcodes):
        wrong.append(f"spills: {used['stack_bytes']} bytes of stack")
    for need in case.needs:
        if not any(fnmatchcase(opcode, pattern) for opcode in opcodes for pattern in _patterns(need)):
            wrong.append(f"no {need} in the machine code")
    for forbidden in case.forbids:
        if any(fnmatchcase(opcode, pattern) for opcode in opcodes for pattern in _patterns(forbidden)):
            wrong.append(f"{forbidden} in the machine code")
    return used, wrong


def in_float16(case: CompileCase) -> CompileCase:
    """The same in the other type of 16 bits."""
    signature = {argument: kind.replace("bf16", "fp16") for argument, kind in case.signature.items()}
    return replace(case, name="fp16-" + case.name.removeprefix("bf16-"), signature=signature)


def _patterns(alternatives: str) -> list[str]:
    """`HGMMA` stands for `HGMMA` and `HGMMA.anything`; `LDG*128` and `A|B` are patterns as they stand."""
    return [p for word in alternatives.split("|") for p in ([word] if "*" in word else [word, word + ".*"])]


def _disassembled(cubin: bytes) -> tuple[dict[str, int], Counter[str]]:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        text = subprocess.run(
            [str(TOOLS / "cuobjdump"), "-res-usage", "-sass", file.name], capture_output=True, text=True, check=True,
            timeout=60,
        ).stdout  # fmt: skip
    usage = {name: int(value) for name, value in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", text)}
    return usage, Counter(INSTRUCTION.findall(text))


def has_kernel(op: str) -> bool:
    """Whether it has a Triton form; some are plain PyTorch."""
    return (KERNELS / op / "kernel.py").exists()


def check_op(op: str, write: bool) -> list[str]:
    """What is wrong with an op's configurations, each with the name of the case."""
    if not has_kernel(op):
        return []
    cases: list[CompileCase] = importlib.import_module(f"kernels.{op}.cases").compile_cases()
    cases += [in_float16(case) for case in cases if "*bf16" in case.signature.values()][:1]
    with ThreadPoolExecutor(1) as pool:  # disassembling takes as long as compiling, in a process of its own
        examined = {case.name: pool.submit(examine, case, compiled(case)) for case in cases}
    used: dict[str, Any] = {"triton": triton.__version__}
    wrong = []
    for name, future in examined.items():
        used[name], found = future.result()
        wrong += [f"{op}/{name}: {line}" for line in found]
    path = KERNELS / op / "resources.json"
    if write:
        path.write_text(json.dumps(used, indent=2) + "\n")
    kept = json.loads(path.read_text()) if path.exists() else {}
    if kept.get("triton") == triton.__version__:  # another version's registers are no finding
        names = sorted(kept.keys() ^ used.keys()) + [n for n in used.keys() & kept.keys() if used[n] != kept[n]]
        wrong += [f"{op}/{name}: resources.json has {kept.get(name)}, now {used.get(name)}" for name in names]
    elif not kept:
        wrong.append(f"{op}: no resources.json; --write makes it")
    return wrong


def check_launches(launches: Iterable[Launch]) -> list[str]:
    """What is wrong with the kernels that these make Triton compile, each with its name and sizes."""
    wrong = []
    for case in distinct(launches):
        _, found = examine(case, compiled(case))
        wrong += [f"{case.name} with {dict(case.constants)}, multiples of 16 {case.aligned}: {line}" for line in found]
    return wrong


def main() -> int:
    """Status 0 if nothing is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.compile_gate", description=__doc__)
    parser.add_argument("ops", nargs="*", metavar="OP", help="kernels to compile (default all)")
    parser.add_argument("--write", action="store_true", help="keep what is used in resources.json")
    parser.add_argument("--served", action="store_true", help="compile what the served passes launch")
    parser.add_argument("--grid", action="store_true", help="compile what the GPU's benchmark launches: some minutes")
    args = parser.parse_args()
    if args.served or args.grid:
        launches = [*(served_launches() if args.served else ()), *(grid_launches() if args.grid else ())]
        wrong = check_launches(launches)
        print("\n".join(wrong) or f"{len(launches)} launches: every one compiles for sm_90, without spills")
        return 1 if wrong else 0
    if unknown := set(args.ops) - set(ops()):
        parser.error(f"no such op: {', '.join(sorted(unknown))}; there are {', '.join(ops())}")
    wrong = [line for op in args.ops or ops() for line in check_op(op, args.write)]
    found = [op for op in args.ops or ops() if has_kernel(op)]
    said = f"{', '.join(found)}: every configuration compiles for sm_90 as meant"
    print("\n".join(wrong) or (said if found else "plain PyTorch: there is nothing to compile"))
    return 1 if wrong else 0


if __name__ == "__main__":
    if os.environ.pop("TRITON_INTERPRET", None):
        sys.exit("unset TRITON_INTERPRET: the interpreter compiles nothing")
    sys.exit(main())
