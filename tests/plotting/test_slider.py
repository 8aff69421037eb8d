"""Sliders of notebooks: a frame for each value, in a browser with scripts and without."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import w2vflow.plotting as plotting


def power(n, ax):
    x = np.linspace(0, 1, 20)
    ax.plot(x, x**n * 10.0**n)


def test_slider_holds_a_frame_for_each_value():
    slider = plotting.slide(power, [0.0, 1.0, 2.5, 4.0], label="n<")
    assert slider.captions == ("n< = 0", "n< = 1", "n< = 2.5", "n< = 4")
    assert len(set(slider.frames)) == 4
    bundle = slider._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert bundle["text/plain"] == "Slider(4 frames, n< = 0 .. n< = 4)"
    page = bundle["text/html"]
    assert "http" not in page
    assert "n<" not in page
    assert len(page) < 400_000
    assert plt.get_fignums() == []
    assert page == plotting.slide(power, [0.0, 1.0, 2.5, 4.0], label="n<")._repr_html_()
    with pytest.raises(ValueError, match="`values` must be at least one value to draw, but got none"):
        plotting.slide(power, [])


def test_axes_of_a_slider_stay_where_they_are():
    places = []

    def draw(n, ax):
        power(n, ax)
        places.append(ax)

    plotting.slide(draw, [0.0, 4.0])
    first, last = (ax.get_position().bounds for ax in places[:2])
    assert first == last
    # Though their labels differ in width, and the still, of which there are two panels, is another figure.
    assert len(places) == 4


def test_slider_in_a_browser(browser, tmp_path):
    one = plotting.slide(power, [0.0, 1.0, 2.0], label="n")._repr_html_()
    path = tmp_path / "page.html"
    # The same slider twice, and another one.
    other = plotting.slide(power, [3.0, 4.0], label="m")._repr_html_()
    path.write_text(f"<!doctype html><meta charset='utf-8'>{one}{other}{one}")
    page = browser.new_page()
    troubles = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request", lambda request: troubles.append(request.url) if request.url.startswith("http") else None
    )
    page.goto(path.as_uri())
    page.locator("input").nth(2).wait_for()
    assert page.locator("output").all_inner_texts() == ["n = 0", "m = 3", "n = 0"]
    before = [image.get_attribute("src") for image in page.locator("img").all()]
    page.locator("input").first.fill("2")
    after = [image.get_attribute("src") for image in page.locator("img").all()]
    assert after[0] != before[0]
    assert after[1:] == before[1:]
    assert page.locator("output").all_inner_texts() == ["n = 2", "m = 3", "n = 0"]
    page.get_by_label("step back").first.click()
    assert page.locator("output").first.inner_text() == "n = 1"
    page.get_by_label("play").first.click()
    page.wait_for_function("document.querySelector('output').textContent == 'n = 2'")
    assert troubles == []
    page.close()


def test_slider_without_scripts(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(plotting.slide(power, [0.0, 1.0, 2.0])._repr_html_())
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    image = page.locator("img")
    assert image.count() == 1
    assert image.is_visible()
    assert image.get_attribute("alt") == "t = 0 to t = 2"
    assert image.bounding_box()["width"] > 3 * 300
    context.close()
