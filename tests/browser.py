"""What a browser makes of a page on a phone or a desk, in a light or a dark room, and what a reader would miss."""

import html
import json
import re
import shutil
import subprocess

import pytest
from seaborn.utils import relative_luminance

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is installed")
PHONE, LAPTOP = 390, 1300  # CSS pixels
CONTRAST = 4.5  # WCAG 2.1, level AA

# A window of chromium is at least 500 pixels wide, so the page is looked at in a frame that is as wide as a phone.
FRAME = """<!DOCTYPE html>
<html><head><meta name="color-scheme" content="light dark"></head>
<body><iframe src="PAGE" width="WIDTH" height="800" style="border: 0"></iframe><pre></pre>
<script>
onload = () => {
  const shown = frames[0], page = shown.document, root = page.documentElement
  for (const part of page.querySelectorAll("details")) part.open = true
  const hasText = part => [...part.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim())
  const ground = part => {
    const colour = shown.getComputedStyle(part).backgroundColor
    return colour === "rgba(0, 0, 0, 0)" && part.parentElement ? ground(part.parentElement) : colour
  }
  const texts = [page.body, ...page.body.querySelectorAll("*")].filter(hasText).map(
    part => [part.textContent.trim().slice(0, 40), shown.getComputedStyle(part).color, ground(part)])
  document.querySelector("pre").textContent = JSON.stringify({
    dark: shown.matchMedia("(prefers-color-scheme: dark)").matches,
    ground: ground(page.body), window: shown.innerWidth, room: root.clientWidth, width: root.scrollWidth,
    articles: page.querySelectorAll("article").length, text: page.body.innerText, texts: texts,
    scrolling: [...page.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth).map(
      box => box.getAttribute("aria-label")),
    images: [...page.images].map(image => [image.alt, image.naturalWidth]),
  })
}
</script></body></html>
"""


def look(page, folder, *, dark, width=PHONE):
    """What chromium measures of the file `page` in a window of `width`; `folder` takes what it needs."""
    frame = folder / "frame.html"
    frame.write_text(FRAME.replace("PAGE", page.as_uri()).replace("WIDTH", str(width)), encoding="utf-8")
    words = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'browser'}"]
    words += ["--allow-file-access-from-files"]  # else the frame's page is closed to the script beside it
    words += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--dump-dom", frame.as_uri()]
    dom = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout
    seen = json.loads(html.unescape(re.search(r"<pre>(.*)</pre>", dom, re.DOTALL)[1]))
    assert (seen["window"], seen["dark"]) == (width, dark)  # else it looked at something else than was asked
    return seen


def faults(seen):
    """A sentence for each thing that a reader could not see."""
    found = []
    if seen["width"] > seen["room"]:
        found.append(f"the page is {seen['width']} pixels wide where there are {seen['room']}")
    if seen["dark"] and contrast(seen["ground"], "rgb(255, 255, 255)") < CONTRAST:
        found.append(f"the page is bright in a dark room: {seen['ground']}")
    found += [f"the image {name!r} is broken" for name, width in seen["images"] if not width]
    for text, colour, ground in seen["texts"]:
        if contrast(colour, ground) < CONTRAST:
            found.append(f"{text!r} is hard to read: {colour} on {ground}")
    return found


def contrast(*colours):
    """The contrast ratio of WCAG 2.1 of two colours as a browser computes them, such as rgb(34, 34, 34)."""
    levels = sorted(
        relative_luminance([int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]) for colour in colours
    )
    return (levels[1] + 0.05) / (levels[0] + 0.05)
