"""The table of a release as lines for people."""

from inference.precision.table import PrecisionTable, RecipeRow, SiteRow, VariantPrecision

NOT_MEASURED = "not measured"
HEAD = ("site", "K > H", "recipe", "MERE", "|e|/|y|", "sampled", "SQNR", "log loss", "speed-up", "verdict")
WIDTHS = (9, 14, 8, 8, 8, 8, 10, 12, 0)  # of all but the first


def lines(table: PrecisionTable) -> list[str]:
    """All variants, one line for each site and recipe."""
    speed = (
        f"speed on {table.gpu} with {table.candidates} candidates" if table.gpu else "no GPU with FP8 here: no speed"
    )
    out = [
        f"release {table.model}:{table.version}, held-out requests of what it was trained on ({table.source})",
        f"budget {table.budget:.3%} of the log loss; {speed}; torch {table.torch}",
    ]
    for name, variant in table.variants.items():
        out += ["", *_variant(name, variant, table.budget)]
    return out


def _variant(name: str, variant: VariantPrecision, budget: float) -> list[str]:
    rows = [_row(site, recipe, found) for site in variant.sites for recipe, found in site.recipes.items()]
    first = max(len(row[0]) for row in rows)
    title = f"variant {name}, log loss {variant.log_loss:.6f} in float32, {variant.num_requests} requests"
    out = [title, _columns(HEAD, first)]
    out += [_columns(row, first) for row in rows]
    out.append("on requests that the choice was not made on:")
    for recipe, change in variant.naive.items():
        verdict = "within the budget" if abs(change) <= budget else "exceeds the budget"
        out.append(f"  every linear in {recipe:<16} {change:+.4%} +- {variant.naive_error[recipe]:.4%}, {verdict}")
    count = f"{len(variant.within_budget)} of {len(variant.sites)} by error"
    out.append(f"  {count:<32} {variant.verified_change:+.4%} +- {variant.verified_error:.4%}")
    out.append(f"chosen by the error      {_sites(variant.within_budget)}")
    out.append(f"kept by error and speed  {_sites(variant.kept)}")
    return out


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
