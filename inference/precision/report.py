"""The table of a release as lines for people."""

from collections.abc import Mapping, Sequence

from inference.precision.changes import Change, Changes
from inference.precision.part import FEWEST_CONVERSIONS
from inference.precision.recipes import BF16, RECIPES
from inference.precision.table import PrecisionTable, RecipeRow, Served, SiteRow, VariantPrecision
from inference.precision.tops import TOP, SameTop

NOT_MEASURED = "not measured"
NOT_JUDGED = "not judged"
HEAD = ("site", "K > H", "recipe", "MERE", "|e|/|y|", "sampled", "SQNR", "click", "conversion", "speed-up", "verdict")
WIDTHS = (9, 14, 8, 8, 8, 8, 10, 10, 12, 0)  # of all but the first
SERVED_HEAD = ("", "from", "click", "conversion", "at most", f"same top {TOP}", "same first", "")
SERVED_WIDTHS = (10, 22, 22, 22, 11, 11, 0)


def lines(table: PrecisionTable) -> list[str]:
    """All variants, one line for each site and recipe."""
    speed = (
        f"speed on {table.gpu} with {table.candidates} candidates" if table.gpu else "no GPU with FP8 here: no speed"
    )
    served = f"a GPU, {table.gpu}" if table.gpu else "a CPU: the sums of a GPU are not measured"
    out = [
        f"release {table.model}:{table.version}, held-out requests of what it was trained on ({table.source})",
        f"budget {table.budget:.3%} of the log loss of each head; {speed}; torch {table.torch}",
        f"served on {served}",
    ]
    for name, variant in table.variants.items():
        out += ["", *_variant(name, variant, table)]
    return out


def _variant(name: str, variant: VariantPrecision, table: PrecisionTable) -> list[str]:
    rows = [
        _row(site, recipe, found)
        for site in variant.sites
        for recipe, found in sorted(site.recipes.items(), key=_place)
    ]
    out = [
        f"variant {name}, {variant.num_requests} requests, log loss {variant.log_loss:.6f} in float32",
        _conversions(variant),
        *_aligned([HEAD, *rows], WIDTHS),
        "as it serves, on requests that had no part in the choice; the budget is of `at most` from float32:",
    ]
    ways = {_everywhere(recipe): found for recipe, found in sorted(variant.everywhere.items(), key=_place)}
    ways[f"{len(variant.chosen)} of {len(variant.sites)} in fp8, others bf16"] = variant.served
    out += _aligned([SERVED_HEAD, *_served_rows(ways, table.budget)], SERVED_WIDTHS)
    if variant.ten_by_chance is not None:
        out.append(f"an order by chance keeps {variant.ten_by_chance:.1%} of the top {TOP}")
    out.append(f"chosen      {_sites(variant.chosen)}")
    out.append(f"whole pass  {_whole_pass(variant, table)}")
    out.append(f"kept        {_sites(variant.kept)}" + (f": {variant.not_kept}" if variant.not_kept else ""))
    return out


def _conversions(variant: VariantPrecision) -> str:
    if variant.conversion_log_loss is not None:
        return f"{variant.num_conversions} conversions, log loss {variant.conversion_log_loss:.6f} of the clicked"
    if variant.num_conversions == 0:
        return "no conversions: the budget is of clicks alone, and nothing is known of the other head"
    few = f"{variant.num_conversions} conversions, not {FEWEST_CONVERSIONS} in each of three parts"
    return f"{few}: the budget is of clicks alone, and nothing is known of the other head"


def _served_rows(ways: Mapping[str, Served], budget: float) -> list[tuple[str, ...]]:
    rows = []
    for way, served in ways.items():
        within = "within the budget" if served.from_float32.bound <= budget else "exceeds the budget"
        rows.append((way, *_changes("float32", served.from_float32), *_top(served.same_top), within))
        if served.from_bf16.bound > 0:  # bf16 alone is what it is
            rows.append(("", *_changes("bf16", served.from_bf16), "", "", ""))
    return rows


def _changes(base: str, found: Changes) -> tuple[str, ...]:
    conversion = NOT_JUDGED if found.conversion is None else _change(found.conversion)
    return base, _change(found.click), conversion, f"{found.bound:.4%} ({found.worse})"


def _change(found: Change) -> str:
    return f"{found.value:+.4%} +- {found.error:.4%}"


def _top(found: SameTop) -> tuple[str, str]:
    ten, first = ("-" if share is None else f"{share:.2%}" for share in (found.ten, found.first))
    return ten, first


def _whole_pass(variant: VariantPrecision, table: PrecisionTable) -> str:
    if (found := variant.whole_pass) is None:
        return NOT_MEASURED
    of = f"one request with {table.candidates} candidates"
    return f"{found.us:.1f} us, in bf16 {found.bf16_us:.1f} us: {found.speedup:.2f} x, {of}"


def _place(found: tuple[str, object]) -> int:
    return RECIPES.index(found[0])


def _everywhere(recipe: str) -> str:
    return "bf16 alone" if recipe == BF16 else f"every linear in {recipe}"


def _row(site: SiteRow, recipe: str, found: RecipeRow) -> tuple[str, ...]:
    return (
        site.site,
        f"{site.inputs} > {site.outputs}",
        recipe,
        f"{found.real.mere:.2%}",
        f"{found.real.frobenius:.2%}",
        f"{found.sampled.frobenius:.2%}",
        f"{found.real.sqnr_db:.1f} dB",
        f"{found.changes.click.value:+.4%}",
        NOT_JUDGED if found.changes.conversion is None else f"{found.changes.conversion.value:+.4%}",
        NOT_MEASURED if found.speedup is None else f"{found.speedup:.2f} x",
        found.verdict,
    )


def _aligned(rows: Sequence[tuple[str, ...]], widths: tuple[int, ...]) -> list[str]:
    """Lines of cells; the first column is as wide as it must be."""
    all_widths = (max(len(row[0]) for row in rows), *widths)
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, all_widths, strict=True)).rstrip() for row in rows]


def _sites(recipes: dict[str, str]) -> str:
    return ", ".join(f"{site} {recipe}" for site, recipe in sorted(recipes.items())) or "none"
