"""The table of a release as lines for people."""

from inference.precision.recipes import BF16, RECIPES
from inference.precision.table import PrecisionTable, RecipeRow, ServedChange, SiteRow, VariantPrecision

NOT_MEASURED = "not measured"
HEAD = ("site", "K > H", "recipe", "MERE", "|e|/|y|", "sampled", "SQNR", "log loss", "speed-up", "verdict")
WIDTHS = (9, 14, 8, 8, 8, 8, 10, 12, 0)  # of all but the first


def lines(table: PrecisionTable) -> list[str]:
    """All variants, one line for each site and recipe."""
    speed = (
        f"speed on {table.gpu} with {table.candidates} candidates" if table.gpu else "no GPU with FP8 here: no speed"
    )
    served = f"a GPU, {table.gpu}" if table.gpu else "a CPU: the sums of a GPU are not measured"
    out = [
        f"release {table.model}:{table.version}, held-out requests of what it was trained on ({table.source})",
        f"budget {table.budget:.3%} of the log loss; {speed}; torch {table.torch}",
        f"served on {served}",
    ]
    for name, variant in table.variants.items():
        out += ["", *_variant(name, variant, table.budget)]
    return out


def _variant(name: str, variant: VariantPrecision, budget: float) -> list[str]:
    rows = [
        _row(site, recipe, found)
        for site in variant.sites
        for recipe, found in sorted(site.recipes.items(), key=_place)
    ]
    first = max(len(row[0]) for row in rows)
    title = f"variant {name}, log loss {variant.log_loss:.6f} in float32, {variant.num_requests} requests"
    out = [title, _columns(HEAD, first)]
    out += [_columns(row, first) for row in rows]
    out.append("as it serves, on requests that the choice was not made on; the budget is of the change from float32:")
    out += [
        _served(_everywhere(recipe), change, budget) for recipe, change in sorted(variant.naive.items(), key=_place)
    ]
    count = f"{len(variant.within_budget)} of {len(variant.sites)} in FP8 by error, others bf16"
    out.append(_served(count, variant.verified, budget))
    out.append(f"chosen by the error      {_sites(variant.within_budget)}")
    out.append(f"kept by error and speed  {_sites(variant.kept)}")
    return out


def _place(found: tuple[str, object]) -> int:
    return RECIPES.index(found[0])


def _everywhere(recipe: str) -> str:
    return "bf16 alone" if recipe == BF16 else f"every linear in {recipe}"


def _served(what: str, change: ServedChange, budget: float) -> str:
    verdict = "within the budget" if abs(change.from_float32) <= budget else "exceeds the budget"
    from_float32 = f"{change.from_float32:+.4%} +- {change.from_float32_error:.4%} from float32"
    from_bf16 = f"{change.from_bf16:+.4%} +- {change.from_bf16_error:.4%} from bf16"
    return f"  {what:<38} {from_float32}, {from_bf16}; {verdict}"


def _row(site: SiteRow, recipe: str, found: RecipeRow) -> tuple[str, ...]:
    return (
        site.site,
        f"{site.inputs} > {site.outputs}",
        recipe,
        f"{found.real.mere:.2%}",
        f"{found.real.frobenius:.2%}",
        f"{found.sampled.frobenius:.2%}",
        f"{found.real.sqnr_db:.1f} dB",
        f"{found.change:+.4%}",
        NOT_MEASURED if found.speedup is None else f"{found.speedup:.2f} x",
        found.verdict,
    )


def _columns(cells: tuple[str, ...], first: int) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, (first, *WIDTHS), strict=True)).rstrip()


def _sites(recipes: dict[str, str]) -> str:
    return ", ".join(f"{site} {recipe}" for site, recipe in sorted(recipes.items())) or "none"
