"""A person at the browser: the form, a wrong value, a run, its page and its artifacts."""

import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.flows.test_served import api, wait_for_run

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "test-output" / "ui"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ELSEWHERE = "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: .ci/run installs it"),
]


@pytest.fixture(scope="module")
def page():
    playwright = pytest.importorskip("playwright.sync_api")
    SHOTS.mkdir(parents=True, exist_ok=True)
    with playwright.sync_playwright() as driver:
        options = ["--no-sandbox", f"--host-resolver-rules={ELSEWHERE}"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def shoot(page, name):
    page.wait_for_timeout(1000)  # for what fades in
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def test_a_person_fills_in_the_form_and_sees_the_run_and_its_artifacts(served, page, manual_run):
    assert manual_run[1]["type"] == "COMPLETED"
    deployment = api(served, "deployments/name/report/report")["id"]
    site = f"http://127.0.0.1:{served.port}/v2"

    page.goto(f"{site}/deployments/deployment/{deployment}/run")
    page.get_by_role("tab", name="Verdict").click()
    field = page.get_by_label(re.compile("Worst Score"))
    field.fill("150")
    page.get_by_role("button", name="Submit").click()
    assert "less than or equal to 100" in field.evaluate("field => field.validationMessage")
    shoot(page, "form-refuses")
    field.fill("30")
    folder = page.get_by_label("out", exact=True)
    folder.fill("photos-report")
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("'photos-report' does not match").first.wait_for()
    shoot(page, "form-refuses-a-relative-path")
    assert runs_of(served, deployment) == []

    folder.fill(str(served.out))
    [run] = submit(page, served, deployment)
    assert run["parameters"]["verdict"]["worst_score"] == 30
    assert wait_for_run(served, run["id"])["type"] == "COMPLETED"

    page.wait_for_timeout(4000)  # logs come in batches, and the page of a finished run asks once
    page.goto(f"{site}/runs/flow-run/{run['id']}")
    page.get_by_text("Completed").first.wait_for()
    shoot(page, "run")
    for key, words in (
        ("summary", "newly flagged"),
        ("worst-items", "degraded/"),
        ("report", "report.html"),
    ):
        page.goto(f"{site}/artifacts/artifact/{artifact(served, run, key)}")
        page.get_by_text(words).first.wait_for()
        shoot(page, key)
    report = page.get_by_role("link", name="report.html").get_attribute("href")
    page.goto(report)
    page.get_by_role("heading", name="Images, worst first").wait_for()
    page.goto(f"{site}/artifacts/artifact/{artifact(served, run, 'scores')}")
    picture = page.locator("img[src^='data:image/png']").first
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 1000
    shoot(page, "scores")
    # The other tests of this server know the verdicts of the first run.
    defaults = {"parameters": {"verdict": {}}}
    again = api(served, f"deployments/{deployment}/create_flow_run", defaults)
    assert wait_for_run(served, again["id"])["type"] == "COMPLETED"


def test_labels_from_the_page_train_a_rule_that_the_flow_and_the_command_apply(
    served, page, manual_run, scalemark, tmp_path
):
    out = shutil.copytree(served.out, tmp_path / "out")
    assert scalemark("label", out, "--only", "images").returncode == 0
    page.goto((out / "labels.html").as_uri())
    count = page.locator("#strip button").count()
    for _ in range(count):
        degraded = page.inner_text("#shown").startswith("degraded/")
        page.keyboard.press("r" if degraded else "a")
    with page.expect_download() as download:
        page.click("#export")
    download.value.save_as(tmp_path / "labels.csv")
    trained = scalemark("train", out, "--labels", tmp_path / "labels.csv")
    assert trained.returncode == 0, trained.stderr
    assert f"of {count} labelled items" in trained.stdout

    deployment = api(served, "deployments/name/learn-apply/nightly")["id"]
    body = {"parameters": {"out": str(out), "model": None}}
    run = api(served, f"deployments/{deployment}/create_flow_run", body)
    state = wait_for_run(served, run["id"])
    assert state["type"] == "COMPLETED", state["message"]
    rows = pq.read_table(out / "items.parquet").to_pylist()
    told = [row["predicted"] for row in rows if row["predicted"]]
    assert len(told) == count
    assert set(told) == {"accept", "reject"}
    again = scalemark("apply", out)
    assert "0 images labelled now, the others were up to date" in again.stdout
    another = scalemark("train", out, "--labels", tmp_path / "labels.csv", "--c", "0.1")
    assert another.returncode == 0, another.stderr
    assert f"{count} images labelled now" in scalemark("apply", out).stdout


def runs_of(served, deployment):
    body = {
        "deployments": {"id": {"any_": [deployment]}},
        "limit": 10,
        "sort": "EXPECTED_START_TIME_DESC",
    }
    found = api(served, "flow_runs/filter", body)
    return [run for run in found if "verdict" in run["parameters"]]


def submit(page, served, deployment):
    """Send the form; the first time after a refusal it only forgets what it refused."""
    for _ in range(3):
        page.get_by_role("button", name="Submit").click()
        for _ in range(20):
            if found := runs_of(served, deployment):
                return found
            page.wait_for_timeout(500)
    shoot(page, "form-started-nothing")
    raise AssertionError("the form started no run: see the picture in test-output/ui")


def artifact(served, run, key):
    body = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 100}
    [found] = [one for one in api(served, "artifacts/filter", body) if one["key"] == key]
    return found["id"]
