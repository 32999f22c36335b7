"""The table of a release as lines for people."""

from inference.precision.table import PrecisionTable, RecipeRow, SiteRow, VariantPrecision

NOT_MEASURED = "not measured"
HEAD = ("site", "K > H", "recipe", "MERE", "|e|/|y|", "sampled", "SQNR", "log loss", "speed-up", "verdict")
WIDTHS = (18, 9, 14, 8, 8, 8, 8, 10, 12, 0)


def lines(table: PrecisionTable) -> list[str]:
    """All variants, one line for each site and recipe."""
    speed = f"speed on {table.gpu} with {table.candidates} candidates" if table.gpu else "no GPU here: no speed"
    out = [
        f"release {table.model}:{table.version}, {table.num_requests} held-out requests of {table.source}",
        f"budget {table.budget:.3%} of the log loss; {speed}; torch {table.torch}",
    ]
    for name, variant in table.variants.items():
        out += ["", *_variant(name, variant, table.budget)]
    return out


def _variant(name: str, variant: VariantPrecision, budget: float) -> list[str]:
    out = [f"variant {name}, log loss {variant.log_loss:.6f} in float32", _columns(HEAD)]
    for site in variant.sites:
        out += [_columns(_row(site, recipe, found)) for recipe, found in site.recipes.items()]
    for recipe, change in variant.naive.items():
        verdict = "within the budget" if abs(change) <= budget else "exceeds the budget"
        out.append(f"every linear in {recipe:<16} {change:+.4%} of the log loss, {verdict}")
    out.append(
        f"chosen by the error      {_sites(variant.within_budget)}: {variant.verified_change:+.4%} together, on other "
        "requests than the choice"
    )
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


def _columns(cells: tuple[str, ...]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def _sites(recipes: dict[str, str]) -> str:
    return ", ".join(f"{site} {recipe}" for site, recipe in sorted(recipes.items())) or "none"
