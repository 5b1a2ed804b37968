"""The page to explore the results, in a browser."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import READY, Opener
from tests.explored import HOSTILE, MODELS, TOKENS, value_of, write_explored

SECTIONS = ("curves", "probes", "matrices", "tokens", "tasks", "numbers", "provenance")
SHAPES = [
    pytest.param({}, id="1280x800"),
    pytest.param({"width": 390, "height": 844}, id="390x844"),
    pytest.param({"scheme": "dark"}, id="dark"),
]


def curves_of(page: Page, name: str = "prompt_entropy") -> dict[str, str]:
    """Number of every drawn curve of a metric -> its path."""
    found = page.locator(f'section[data-name="{name}"] path.line[data-curve]').evaluate_all(
        "paths => paths.map(path => [path.dataset.curve, path.getAttribute('d'), path.getAttribute('class')])"
    )
    return {f"{number} {kind}": d for number, d, kind in found}


def rows_of(page: Page, button: str) -> list[dict[str, str]]:
    """The rows of the CSV that a button saves."""
    with page.expect_download() as started:
        page.get_by_role("button", name=button).click()
    return list(csv.DictReader(io.StringIO(Path(started.value.path()).read_text(encoding="utf-8"))))


def box(page: Page, label: str) -> None:
    page.get_by_label(label, exact=True).click()


def test_it_opens_on_what_its_words_say_with_and_without_sinks(opened: Opener) -> None:
    page = opened()
    assert page.locator("section.block").evaluate_all("blocks => blocks.map(one => one.dataset.name)") == [
        "prompt_entropy"
    ]
    kinds = curves_of(page)
    assert len(kinds) == 3 * 3 * 2  # models, texts, sinks
    assert sum("dashed" in kind for kind in kinds) == 9


def test_sinks_off_removes_exactly_the_dashed_curves(opened: Opener) -> None:
    page = opened()
    before = curves_of(page)
    box(page, "without sink tokens")
    assert set(curves_of(page)) == {kind for kind in before if "dashed" not in kind}


def test_layer_in_place_of_depth_moves_the_shallower_models_only(opened: Opener) -> None:
    page = opened()
    before = curves_of(page)
    box(page, "layer")
    after = curves_of(page)
    moved = {kind for kind in before if before[kind] != after[kind]}
    deep = [panel for panel in range(3) if panel == 0]
    panels = page.locator("figure.panel-figure").evaluate_all(
        "figures => figures.map(one => [...one.querySelectorAll('path[data-curve]')].map(path => path.dataset.curve))"
    )
    of_deep = {number for place in deep for number in panels[place]}
    assert moved == {kind for kind in before if kind.split()[0] not in of_deep}


@pytest.mark.parametrize("layer", [0, 1, 7, 12])
def test_arrow_keys_read_value_interval_and_n_of_the_csv(opened: Opener, layer: int) -> None:
    page = opened("#curves?model=deep")
    page.locator("svg.panel").first.focus()
    for _ in range(layer + 1):
        page.keyboard.press("ArrowRight")
    reading = page.locator(".reading").first.inner_text()
    assert reading.startswith(f"layer {layer} of 12")
    rows = [row for row in rows_of(page, "CSV of Prompt entropy") if row["layer"] == str(layer)]
    assert len(rows) == 6
    for row in rows:
        truth = value_of(1, "deep", row["corpus"], row["sinks"], layer) + 0.005 * (row["view"] == "paraphrase")
        assert float(row["value"]) == pytest.approx(truth, abs=6e-6)
        assert float(row["low"]) == pytest.approx(truth - 0.001, abs=2e-5)
        assert float(row["high"]) == pytest.approx(truth + 0.002, abs=2e-5)
        assert row["texts"] == str(40 + layer)
        line = "\t".join([four(row["value"]), f"{four(row['low'])} to {four(row['high'])}", f"n {40 + layer}"])
        assert line in reading


def four(text: str) -> str:
    """A number as the page writes it, in four digits."""
    return format(float(text), "#.4g")


def test_a_link_restores_section_filter_and_reading(opened: Opener) -> None:
    page = opened("#curves?model=deep&name=curvature")
    svg = page.locator("svg.panel").first
    svg.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    told = page.locator(".reading").first.inner_text()
    link = page.evaluate("location.hash")
    again = opened(link)
    assert again.locator("section.block").evaluate_all("all => all.map(one => one.dataset.name)") == ["curvature"]
    assert again.locator("figure.panel-figure").count() == 1
    assert again.locator(".reading").first.inner_text() == told


def test_the_back_button_takes_a_choice_back(opened: Opener) -> None:
    page = opened()
    before = curves_of(page)
    box(page, "without sink tokens")
    box(page, "Curvature")
    assert page.locator("section.block").count() == 2
    page.go_back()
    assert page.locator("section.block").count() == 1
    page.go_back()
    assert curves_of(page) == before
    page.go_forward()
    assert len(curves_of(page)) == 9
    page.get_by_role("link", name="Tokens").click()
    assert page.locator("p.text").count() == 1
    page.go_back()
    assert len(curves_of(page)) == 9


def test_models_over_one_another(opened: Opener) -> None:
    page = opened("#curves?panel=texts&sinks=with")
    titles = page.locator("figcaption b").all_inner_texts()
    assert titles == ["bible", "bible, paraphrase", "random"]
    page.locator("svg.panel").first.focus()
    page.keyboard.press("End")
    reading = page.locator(".reading").first.inner_text()
    for name, (title, depth) in MODELS.items():
        assert title in reading
        assert f"{value_of(1, name, 'bible', 'with', depth):.3f}" in reading
        assert f"layer {depth}" in reading


def test_an_invented_metric_appears_and_draws(opened: Opener) -> None:
    """Nothing in the page's own code names it: rows and an entry of words are enough."""
    code = Path(__file__).parents[2] / "src/fathom/explore/browser"
    assert not [path for path in code.iterdir() if "wobble" in path.read_text(encoding="utf-8")]
    page = opened()
    box(page, "Wobble of my own")
    assert len(curves_of(page, "wobble")) == 18
    assert "lower: steadier" in page.locator('section[data-name="wobble"] h2').inner_text()
    assert page.locator('section[data-name="wobble"] svg.panel').first.get_by_text("W (wobbles)").count() == 1


def test_common_height_gives_all_panels_one_axis(opened: Opener) -> None:
    page = opened("#curves?height=common")
    ticks = page.locator("svg.panel").evaluate_all(
        "all => all.map(one => [...one.querySelectorAll('.axes text.end')].map(text => text.textContent).join())"
    )
    assert len(ticks) == 3
    assert len(set(ticks)) == 1
    own = (
        opened("#curves?height=own")
        .locator("svg.panel")
        .evaluate_all(
            "all => all.map(one => [...one.querySelectorAll('.axes text.end')].map(text => text.textContent).join())"
        )
    )
    assert len(set(own)) == 3


def test_strips_show_the_same_numbers(opened: Opener) -> None:
    page = opened("#curves?as=strips&sinks=with&texts=bible")
    strips = page.locator("svg.strips")
    strips.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert f"{value_of(1, 'deep', 'bible', 'with', 1):.3f}" in page.locator(".reading").first.inner_text()
    page.keyboard.press("ArrowDown")
    assert f"{value_of(1, 'flat', 'bible', 'with', 1):.3f}" in page.locator(".reading").first.inner_text()


def test_probes_say_where_they_are_best_and_open_the_panel(opened: Opener) -> None:
    page = opened("#probes")
    row = page.get_by_role("row").filter(has_text="Deep model").first
    assert "6 (5 to 7)" in row.inner_text()
    assert "0.9000 (0.8800 to 0.9200)" in row.inner_text()
    assert "6: 0.8900" in row.inner_text()
    assert page.locator("path.line.thin").count() == 3 * 2
    assert page.locator("text.label").all_text_contents() == ["shuffled", "static"] * 3
    assert page.locator("circle.filled").count() == sum(
        sum(0.9 - 0.2 * abs(layer - depth // 2) / depth > 0.85 for layer in range(depth + 1))
        for _, depth in MODELS.values()
    )
    box(page, "hide")
    assert page.locator("path.line.thin").count() == 0
    page.get_by_role("button", name="Relations", exact=True).first.click()
    assert page.locator("figcaption b").all_inner_texts() == ["Deep model"]


def test_a_measure_is_no_choice_where_each_task_has_one(opened: Opener) -> None:
    page = opened("#tasks")
    assert page.locator("legend").all_inner_texts()[:2] == ["Task", "Model"]
    assert "Measure" not in page.locator("legend").all_inner_texts()
    assert "ndcg at 10" in page.locator('section[data-name="ranking"] figcaption').first.inner_text()


def test_a_cell_says_both_layers_value_interval_and_n(opened: Opener) -> None:
    page = opened("#matrices?model=deep&texts=bible")
    page.locator("svg.matrix").focus()
    page.keyboard.press("ArrowRight")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.locator(".reading").inner_text() == "layer 12 and 3: 0.6250 (0.6062 to 0.6350) n 40"
    page.keyboard.press("ArrowDown")
    assert page.locator(".reading").inner_text().startswith("layer 11 and 3: 0.6667")


def test_the_difference_of_two_matrices(opened: Opener) -> None:
    page = opened("#matrices?model=deep&show=difference")
    page.locator("svg.matrix").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".reading").inner_text().startswith("layer 12 and 0: 0")


def test_tokens_are_tinted_at_the_chosen_layer(opened: Opener) -> None:
    page = opened("#tokens?layer=2")
    tints = "all => all.map(one => one.style.backgroundColor)"
    assert page.locator("span.token").all_inner_texts() == TOKENS
    assert len(set(page.locator("span.token").evaluate_all(tints))) == 1
    page.get_by_label("layer", exact=True).focus()
    page.keyboard.press("ArrowRight")
    at_three = page.locator("span.token").evaluate_all(tints)
    assert at_three[0] != at_three[1]
    assert len(set(at_three[1:])) == 1
    assert page.locator("span.token.sink").all_inner_texts() == ["The"]
    page.locator("svg.heat").focus()
    page.keyboard.press("ArrowRight")
    assert (
        page.locator(".token-reading").inner_text() == "“The” token 1 of 5, a sink, layer 3: 64 times the median norm"
    )
    box(page, "attention received")
    page.locator("svg.heat").focus()
    page.keyboard.press("ArrowRight")
    assert "50 % of the heads" in page.locator(".token-reading").inner_text()
    rows = rows_of(page, "CSV of this text")
    assert len(rows) == 12 * 5
    assert {row["value"] for row in rows if row["token"] == "The" and int(row["layer"]) >= 3} == {"0.500"}


@pytest.mark.parametrize("words", ["curvature deep layer=3", "random without", "nothing like it"])
def test_the_csv_of_numbers_is_the_filter_row_for_row(opened: Opener, words: str) -> None:
    page = opened("#numbers")
    page.get_by_label("filter by words").fill(words)
    page.keyboard.press("Enter")
    assert words.split()[0] in page.evaluate("location.hash")
    shown = page.locator("table.numbers tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    rows = [list(row.values()) for row in rows_of(page, "Download CSV")]
    assert page.locator("#row-count").inner_text().split()[0] == str(len(rows))
    assert rows[: len(shown)] == shown
    wanted = [word for word in words.split() if "=" not in word]
    assert all(all(any(word in cell for cell in row) for word in wanted) for row in rows)
    assert bool(rows) == (words != "nothing like it")


def test_numbers_are_sorted_by_a_column_as_numbers(opened: Opener) -> None:
    page = opened("#numbers?words=curvature")
    for column, order in (("value", 1), ("value", -1), ("layer", 1), ("layer", -1)):
        page.get_by_role("button", name=re.compile(f"^{column}")).click()
        found = [float(row[column]) for row in rows_of(page, "Download CSV")]
        assert found == sorted(found, key=lambda value: order * value)


def test_every_number_of_the_summaries_is_in_the_page(opened: Opener, page_file: Path) -> None:
    """And no other: the CSV of all curves against the files."""
    page = opened("#numbers")
    rows = pd.DataFrame(rows_of(page, "Download CSV"))
    found = rows[rows["name"] == "curvature"].astype({"layer": int, "value": float, "low": float, "texts": int})
    files = sorted((page_file.parent / "metrics").glob("*/*/curvature.layers.parquet"))
    truth = pd.concat([pd.read_parquet(path) for path in files])
    keys = ["model", "corpus", "view", "sinks", "layer"]
    both = found.merge(truth, on=keys, suffixes=("", "_true"), validate="one_to_one")
    assert len(both) == len(found) == len(truth)
    for column in ("value", "low", "texts"):
        assert (both[column] - both[f"{column}_true"]).abs().max() < 2e-5


def test_captions_verdicts_and_provenance_stand_under_a_view(opened: Opener) -> None:
    page = opened()
    assert "Deeper models have deeper valleys." in page.locator(".claim").inner_text()
    assert "Deep model: 0.3: agrees." in page.locator(".claim").inner_text()
    page.get_by_text("Prompt entropy: definition, texts, provenance").click()
    notes = page.locator("details.notes")
    notes.get_by_text("its caption").click()
    notes.get_by_text("provenance: 1 jobs").click()
    text = notes.inner_text()
    for part in ("is defined somewhere", "Entropies of everything.", "A note.", "2026-01-02 03:04", "here, some", "7"):
        assert part in text
    assert notes.get_by_role("link", name="SVG").get_attribute("href") == "figures/entropies.svg"


def test_a_picture_of_a_panel_stands_alone(opened: Opener) -> None:
    page = opened("#curves?model=deep")
    with page.expect_download() as started:
        page.get_by_role("button", name="SVG").first.click()
    text = Path(started.value.path()).read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "var(" not in text
    assert 'stroke="rgb(' in text


def test_hostile_names_stay_text(opened: Opener) -> None:
    for section in SECTIONS:
        page = opened(f"#{section}")
        assert page.locator("img").count() == 0
        assert page.title().endswith("fathom")
    assert opened("#tokens?model=bad").locator("span.token").nth(2).inner_text() == HOSTILE
    assert opened("#probes").get_by_text(HOSTILE).count() > 0
    stray = opened(f"#{HOSTILE}?name={HOSTILE}&texts=%3Cb%3E&read=a@b@c&layer=x")
    assert stray.locator("img, main b:empty").count() == 0


def test_the_policy_lets_nothing_else_run(chromium: Browser, page_file: Path, tmp_path: Path) -> None:
    text = page_file.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "unsafe" not in text
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "http://www.w3.org",
    ):
        assert text.count(word) == (word == "http://www.w3.org")  # SVG's own name is the one address
    changed = tmp_path / "changed.html"
    changed.write_text(text.replace("</body>", "<script>document.title = 'ran'</script></body>"), encoding="utf-8")
    page = chromium.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.goto(changed.as_uri())
    page.wait_for_selector(READY, state="attached")
    assert page.title() == "Curves · fathom"
    assert len(heard) == 1
    assert "Content Security Policy" in heard[0]
    assert page.evaluate("fetch('https://example.org').then(() => 'asked', () => 'refused')") == "refused"
    page.close()


@pytest.mark.parametrize("how", SHAPES)
@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_fits_and_is_not_empty(opened: Opener, section: str, how: dict[str, int | str]) -> None:
    page = opened(f"#{section}", **how)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert len(page.locator("main").inner_text()) > 40
    assert page.locator("#tabs a[aria-current]").inner_text().lower() == section


@pytest.mark.parametrize("section", SECTIONS)
def test_every_control_has_a_name(opened: Opener, section: str) -> None:
    page = opened(f"#{section}")
    nameless = page.locator("input, select, button, a, summary, svg[tabindex]").evaluate_all(
        """all => all.filter(one => ![one.getAttribute('aria-label'), one.textContent, one.labels?.[0]?.textContent]
            .some(text => text?.trim())).map(one => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []


CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8").partition("\n")[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("section", SECTIONS)
def test_letters_stand_out_from_their_ground(opened: Opener, section: str, scheme: str) -> None:
    assert opened(f"#{section}", scheme=scheme).evaluate(CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stay_apart_for_the_colour_blind(opened: Opener, scheme: str) -> None:
    """As deuteranopes and protanopes see them (Viénot et al. 1999), the first colours differ; dashes tell sinks."""
    page = opened("#curves", scheme=scheme)
    inks = page.evaluate(
        "() => [0, 1, 2].map(one => getComputedStyle(document.querySelector(`path.line.c${one}`)).stroke)"
    )
    colours = [[int(part) for part in re.findall(r"\d+", ink)[:3]] for ink in inks]
    for seen in (_deuteranope, _protanope):
        lights = [seen(colour) for colour in colours]
        for first in range(3):
            for second in range(first):
                apart = sum((a - b) ** 2 for a, b in zip(lights[first], lights[second], strict=True)) ** 0.5
                assert apart > 40, (inks, lights)


def _deuteranope(colour: list[int]) -> tuple[float, float, float]:
    red, green, blue = colour
    both = 0.29275 * red + 0.70725 * green
    return both, both, -0.02234 * red + 0.02234 * green + blue


def _protanope(colour: list[int]) -> tuple[float, float, float]:
    red, green, blue = colour
    both = 0.11238 * red + 0.88762 * green
    return both, both, 0.00401 * red - 0.00401 * green + blue


def test_print_shows_the_numbers_and_hides_the_menus(opened: Opener) -> None:
    page = opened("#probes", scheme="dark")
    page.emulate_media(media="print")
    for hidden in ("#choices", "#tabs", ".tools"):
        assert not page.locator(hidden).first.is_visible()
    assert page.locator("svg.panel").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_what_is_left_out_is_said(opener: Opener, tmp_path: Path) -> None:
    whole = write_explored(tmp_path)
    most = whole.stat().st_size - 300
    small = write_explored(tmp_path, megabytes=most / 1e6)
    assert small.stat().st_size <= most
    page = opener(small)
    page.locator("#left-out summary").click()
    text = page.locator("#left-out").inner_text()
    assert "token_norms.layers.parquet" in text
    assert "intervals of matrices" in text
    page.get_by_role("link", name="Matrices").click()
    page.locator("svg.matrix").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".reading").first.inner_text() == "layer 12 and 0: 0.5000 n 40"


def test_a_hundred_models_open_as_strips_and_are_found_by_name(opener: Opener, tmp_path: Path) -> None:
    from tests.explored_many import write_many

    page = opener(write_many(tmp_path, 100))
    assert page.locator("svg.strips").count() == 1
    assert page.evaluate("document.querySelectorAll('*').length") < 3000
    page.get_by_label("find in Model").fill("model 07")
    assert page.locator('input[name="model"]:visible').count() == 11  # 070 to 079, and 007
    page.get_by_role("button", name="only model 073", exact=True).click()
    assert page.locator("figcaption b").all_inner_texts() == ["model 073"]
