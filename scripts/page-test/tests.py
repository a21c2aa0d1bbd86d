"""The tests of the page. Each opens it anew."""
import csv, json, os, shutil, subprocess, time, urllib.request
from harness import BIN, HERE, check, server

ACCESSIBILITY = (HERE / "accessibility.js").read_text()
PHONE, DESKTOP = (390, 844), (1440, 900)
DONE = "return !document.querySelector('#summary[hidden]') && document.querySelector('#bar').hidden"
# The pixels of a canvas, read from a copy: reading is another way of using it, which the browser would remark on.
PIXELS = """const pixels = (canvas) => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    return copy.getImageData(0, 0, canvas.width, canvas.height).data;
  };"""

axe = None  # the text of axe-core, where it is to be had
screenshots = None  # the folder for them, where they are wanted


def post(address, data, kind="image/png"):
    with urllib.request.urlopen(urllib.request.Request(address, data, {"Content-Type": kind})) as answer:
        return json.load(answer)


def upload(browser, files):
    browser.type("#files", "\n".join(map(str, files)))


def slide(browser, selector, value):
    """As a hand does: the value changes, and the page hears of it."""
    browser.run("const s = document.querySelector(arguments[0]); s.value = arguments[1];"
                "s.dispatchEvent(new Event('input', { bubbles: true }))", selector, value)


def saved(folder, ending):
    """The newest file of the kind, once it is whole."""
    for _ in range(200):
        files = [f for f in folder.iterdir() if f.suffix == ending and f.stat().st_size]
        if files:
            file = max(files, key=lambda f: f.stat().st_mtime_ns)
            data = file.read_bytes()
            file.unlink()
            return data
        time.sleep(0.05)
    raise AssertionError(f"no {ending} was saved")


def check_access(browser, state):
    """Accessibility at both widths, in both colour schemes; and how it looks, where that is wanted."""
    for where, size in (("phone", PHONE), ("desktop", DESKTOP)):
        for scheme in ("light", "dark"):
            browser.size(*size, dark=scheme == "dark")
            name = f"{state}, {where}, {scheme}"
            # What lies below is left out of the layout until it is scrolled to: here all of it counts.
            browser.run("for (const c of document.querySelectorAll('.card')) c.style.contentVisibility = 'visible'")
            time.sleep(0.2)
            faults = browser.run(ACCESSIBILITY)
            check(not faults, f"{name}: nobody is kept out", faults)
            if axe:
                faults = browser.run(axe + """;
                    return axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations.map(
                      ({ id, nodes }) => `${id}: ${nodes.length} x, ${nodes[0].target} ${nodes[0].failureSummary}`))""")
                check(not faults, f"{name}: axe-core has no complaint", faults)
            if screenshots:
                browser.run("scrollTo(0, 0)")
                browser.screenshot(screenshots / f"{state}-{where}-{scheme}.png")
    browser.size(*DESKTOP)


def check_logs(browser, address, refusals):
    """No message in the console but for as many refused pictures, and no request to elsewhere."""
    lines = [line for line in browser.log("browser")]
    known = [line for line in lines if line["source"] == "network" and "/api/" in line["message"] and refusals]
    check(len(known) == refusals, f"the console tells of {refusals} refused requests", known)
    rest = [line["message"] for line in lines if line not in known]
    check(not rest, "the console has nothing else", rest)
    events = [json.loads(line["message"])["message"] for line in browser.log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    loaded = browser.run("return performance.getEntriesByType('resource').map((one) => one.name)")
    outside = [url for url in asked + loaded if not url.startswith((address, f"blob:{address}", "data:"))]
    check(asked and not outside, f"{len(asked)} requests, none of them to elsewhere", outside)
    return asked


def twenty(browser, address, pictures, downloads):
    """20 pictures at once: what is shown, mapped and saved."""
    browser.size(*DESKTOP)
    browser.open(address)
    browser.wait("return document.querySelector('#model').textContent", what="the server's classes")
    check_access(browser, "empty")
    upload(browser, pictures)
    browser.wait(DONE, what="20 pictures")
    states = browser.run("return [...document.querySelectorAll('.card')].map((card) => card.dataset.state)")
    check(states.count("done") == 19 and states.count("failed") == 1, "19 results and one error", states)
    broken = browser.run("return document.querySelector('.card[data-state=failed]').innerText")
    check("broken.png" in broken and "Invalid image" in broken, "the error names the picture and the reason", broken)
    totals = dict(browser.run("""return [...document.querySelectorAll('#totals button')].map(
        (button) => [button.children[0].textContent, Number(button.children[2].textContent)])"""))
    classes = {name: n for name, n in totals.items() if name not in ("All", "Failed")}
    check(totals["All"] == 20 and totals["Failed"] == 1 and sum(classes.values()) == 19, "the totals add up", totals)
    check(browser.run("return document.querySelector('#said').textContent") == "Done: 19 classified, 1 failed.",
          "the end is told aloud")
    check(not browser.run("return document.querySelector('#list img')"), "names of files are text, not markup")

    # What the page says of a picture is what the server says.
    whole = [path for path in pictures if path.name != "broken.png"]
    truth = {path.name: post(address + "/api/classify", path.read_bytes()) for path in whole}
    shown = {name: rest for name, *rest in browser.run("""
        return [...document.querySelectorAll('.card[data-state=done]')].map((card) => [
          card.querySelector('h3').textContent, card.querySelector('.kind').textContent,
          card.querySelector('.confidence').textContent, card.querySelector('.description').textContent])""")}
    right = {name: [a["galaxy_type"], f"{100 * a['confidence']:.1f} %", a["galaxy_info"]["description"]]
             for name, a in truth.items()}
    wrong = [(name, shown.get(name), right[name]) for name in right if shown.get(name) != right[name]]
    check(not wrong, "class, confidence and description are the server's", wrong[:2])
    drawn = browser.wait(PIXELS + """
        return [...document.querySelectorAll('.card[data-state=done] .photo')].every(
          (canvas) => canvas.width === 128 && pixels(canvas).some((value, i) => i % 4 < 3 && value > 40))""")
    check(drawn, "every picture has its thumbnail")

    # The slider fades the map in.
    card = ".card[data-state=done]"
    look = PIXELS + """const heat = document.querySelector(arguments[0] + ' .heat');
        const colors = new Set(new Uint32Array(pixels(heat).buffer));
        return [Number(getComputedStyle(heat).opacity), heat.width, colors.size]"""
    check(browser.run(look, card)[:2] == [0, 1], "no heat map before one is asked for")
    slide(browser, card + " .fade input", 60)
    opacity, width, colors = browser.wait(
        f"const found = (() => {{ {look} }})(); return found[0] > 0.59 && found[1] > 1 && found", card,
        what="the heat map")
    check(abs(opacity - 0.6) < 0.01 and width == 160 and colors > 50, "the slider fades a heat map in",
          (opacity, width, colors))
    slide(browser, card + " .fade input", 20)
    browser.wait(f"return Math.abs((() => {{ {look} }})()[0] - 0.2) < 0.01", card, what="a fainter map")
    before = browser.run(f"return document.querySelector('{card} .heat').toDataURL()")
    browser.run(f"""document.querySelector('{card} details').open = true;
        const select = document.querySelector('{card} select');
        select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
        select.dispatchEvent(new Event('change'))""")
    browser.wait(f"return document.querySelector('{card} .heat').toDataURL() !== arguments[0]", before,
                 what="the map of another class")
    check(True, "another class has another map")
    slide(browser, "#fade-all", 55)
    browser.wait("return [...document.querySelectorAll('.card[data-state=done] .heat')].every((c) => c.width > 1)",
                 what="all maps")
    check(True, "one slider fades all maps in")
    check_access(browser, "twenty")
    slide(browser, "#fade-all", 0)

    # What is saved.
    browser.click("#csv")
    data = saved(downloads, ".csv")
    rows = list(csv.reader(data.decode().splitlines(keepends=True), strict=True))
    head, rows = rows[0], rows[1:]
    check(head[:3] == ["id", "galaxy_type", "confidence"] and head[-2:] == ["error", "message"], "CSV: the head", head)
    check(len(rows) == 20 and all(len(row) == len(head) for row in rows), "CSV: 20 rows of all columns")
    tamed = {"'" + p.name if p.name[0] in "=@" else p.name for p in pictures}
    check({row[0] for row in rows} == tamed, "CSV: names quoted, and no formulas among them", [row[0] for row in rows])
    check(data.count(b"\r\n") == 21 and b'"J0946, ""the arc"".png"' in data, "CSV: as RFC 4180 wants it")
    good = [row for row in rows if not row[-2]]
    chances = [dict(zip(head[3:-2], map(float, row[3:-2]))) for row in good]
    check(len(good) == 19 and all(abs(sum(one.values()) - 1) < 1e-3 for one in chances), "CSV: chances add up to 1")
    check(all(max(one, key=one.get) == f"probability_{row[1]}" for one, row in zip(chances, good)),
          "CSV: the class is the likeliest")
    browser.click("#ndjson")
    rows = {row["id"]: row for row in map(json.loads, saved(downloads, ".ndjson").decode().splitlines())}
    check(set(rows) == {p.name for p in pictures}, "NDJSON: a row a picture, names as they are")
    check(all(rows[name]["all_predictions"] == a["all_predictions"] for name, a in truth.items()),
          "NDJSON: the server's own numbers")
    error = rows["broken.png"]
    check(error["success"] is False and error["error"] == "Invalid image", "NDJSON: the error", error)

    # One class alone, in another order.
    name = max(classes, key=classes.get)
    browser.run("""[...document.querySelectorAll('#totals button')].find(
        (button) => button.children[0].textContent === arguments[0]).click()""", name)
    browser.wait("return document.querySelectorAll('.card').length === arguments[0]", classes[name],
                 what=f"only {name}")
    order = browser.run("""const order = document.querySelector('#order');
        order.value = 'doubtful';
        order.dispatchEvent(new Event('change'));
        return [...document.querySelectorAll('.confidence')].map((one) => parseFloat(one.textContent))""")
    check(order == sorted(order), "least certain first", order)
    browser.click("#clear")
    check(not browser.run("return document.querySelector('.card')"), "cleared")
    check_logs(browser, address, refusals=1)


def many(browser, address, pictures, folder):
    """200 pictures: bounded on the page, stopped and taken up again."""
    good = [p for p in pictures if p.name != "broken.png"]
    files = [folder / f"many {i:03}.png" for i in range(200)]
    for i, file in enumerate(files):
        os.link(good[i % len(good)], file)
    browser.open(address)
    upload(browser, files)
    browser.wait("return document.querySelector('#bar').value >= 5", what="the first of 200")
    browser.run("document.querySelector('#stop').click()")
    browser.wait(DONE)
    text = browser.run("return document.querySelector('#counted').textContent")
    check("failed" in text, f"stopped in the middle: {text}")
    browser.click("#again")
    browser.wait("return document.querySelector('#counted').textContent === '200 classified'", seconds=300,
                 what="200 pictures")
    check(browser.run("return document.querySelectorAll('.card').length") == 48, "200 pictures, 48 cards on the page")
    browser.click("#next")
    first = browser.run("return document.querySelector('.card h3').textContent")
    check(first == "many 048.png", "the next page has the next", first)
    check_access(browser, "many")
    check_logs(browser, address, refusals=0)


def drop(browser, address, pictures, folder):
    """A folder dropped on the page, and a picture pasted."""
    dropped = folder / "night 1"
    (dropped / "deeper").mkdir(parents=True)
    for name in ("b.png", "deeper/a.png"):
        shutil.copy(pictures[0], dropped / name)
    (dropped / "notes.txt").write_text("no picture")
    browser.open(address)
    browser.wait("return document.querySelector('#model').textContent")
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.cdp("Input.dispatchDragEvent", type=kind, x=30, y=400,
                    data={"items": [], "files": [str(dropped)], "dragOperationsMask": 1})
    names = browser.wait("const all = [...document.querySelectorAll('.card[data-state=done] h3')];"
                         "return all.length === 2 && all.map((one) => one.textContent)", what="the dropped folder")
    check(names == ["night 1/b.png", "night 1/deeper/a.png"], "the pictures of a dropped folder, deep ones too", names)
    browser.run("""return fetch('/samples/spiral.png').then((answer) => answer.blob()).then((blob) => {
        const clipboardData = new DataTransfer();
        clipboardData.items.add(new File([blob], 'image.png', { type: 'image/png' }));
        document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
      })""")
    browser.wait("return document.querySelectorAll('.card[data-state=done]').length === 3", what="the pasted picture")
    check(True, "a pasted picture")
    check_logs(browser, address, refusals=0)


def large(browser, address, pictures, folder):
    """A file that is too large for the server, between two that are not."""
    large = folder / "large.png"
    large.write_bytes(pictures[0].read_bytes() + bytes(20 << 20))
    browser.open(address)
    upload(browser, [pictures[0], large, pictures[-1]])
    browser.wait(DONE, what="three pictures, one of them too large")
    states = browser.run("return [...document.querySelectorAll('.card')].map((card) => card.dataset.state)")
    check(states == ["done", "failed", "done"], "a picture that is too large keeps none from being classified", states)
    text = browser.run("return document.querySelector('.card[data-state=failed] .text').innerText")
    check("over the limit" in text, "it is told that it is too large", text)
    browser.log("browser")
    browser.log("performance")


def patience(browser, pictures, folder):
    """A server that takes 30 requests at once, and then one in two seconds, gets what it takes; no picture is lost."""
    files = [folder / f"patient {i:02}.png" for i in range(40)]
    for file in files:
        os.link(pictures[0], file)
    with server(folder / "log", "--public", "--rate-per-address", "30") as address:
        browser.open(address)
        upload(browser, files)
        said = browser.wait("return document.querySelector('#pause').textContent", what="a word on the wait")
        check("Going on in" in said, f"the wait is told: {said}")
        browser.wait("return document.querySelector('#counted').textContent === '40 classified'", seconds=120,
                     what="all pictures in spite of 429")
        check(True, "all pictures are classified in spite of 429")
        browser.log("browser")
        browser.log("performance")


def keyboard(browser, address, downloads):
    """From the address bar to a saved file without a mouse."""
    browser.open(address)
    browser.wait("return document.querySelector('#model').textContent")

    def tab_to(condition, most=40):
        for _ in range(most):
            browser.press("Tab")
            is_there, is_seen = browser.run(f"""const e = document.activeElement;
                const s = getComputedStyle(e.id === 'files' ? document.querySelector('#drop') : e);
                return [{condition}, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]""")
            if not is_seen:
                check(False, "the focus can be seen",
                      browser.run("return document.activeElement.outerHTML.slice(0, 200)"))
            if is_there:
                return
        raise AssertionError(f"the Tab key does not lead to {condition}")

    tab_to("e.id === 'files'")
    browser.cdp("Page.enable")
    browser.cdp("Page.setInterceptFileChooserDialog", enabled=True)
    browser.log("performance")
    browser.press("Enter")
    time.sleep(0.5)
    opened = any("Page.fileChooserOpened" in line["message"] for line in browser.log("performance"))
    browser.cdp("Page.setInterceptFileChooserDialog", enabled=False)
    check(opened, "Enter opens the choice of files")
    tab_to("e.dataset.sample === 'spiral'")
    browser.press("Enter")
    browser.wait(DONE, what="the sample")
    check(browser.run("return document.querySelector('.card[data-state=done] h3').textContent") == "sample spiral.png",
          "Enter classifies a sample")
    tab_to("e.id === 'csv'")
    browser.press("Enter")
    check(saved(downloads, ".csv").count(b"\r\n") == 2, "Enter saves the CSV")
    tab_to("e.matches('.card input[type=range]')")
    browser.press(*["Right"] * 10)
    browser.wait("return getComputedStyle(document.querySelector('.card .heat')).opacity === '0.1'",
                 what="arrow keys on the slider")
    check(browser.run("return document.activeElement.getAttribute('aria-valuetext')") == "10 %",
          "arrow keys move the slider, and it says so")
    tab_to("e.tagName === 'SUMMARY'")
    check(browser.run("return document.querySelector('.card details').open"), "of few pictures all is told")
    check_access(browser, "one")
    check_logs(browser, address, refusals=0)


def key(browser, folder):
    """A server that wants a key."""
    keys = folder / "keys"
    key = subprocess.run([BIN / "gx-serve", "keys", "add", "page-test", "--keys", keys],
                         check=True, capture_output=True, text=True).stdout.split()[-1]
    with server(folder / "log", "--keys", keys) as address:
        browser.open(address)
        browser.wait("return !document.querySelector('#key').hidden", what="the question for a key")
        check(browser.run("return document.activeElement.id") == "key-text", "a key is asked for")
        check_access(browser, "key")
        # A picture that is added before waits for it.
        browser.click("[data-sample=elliptical]")
        browser.type("#key-text", "gx_wrong")
        browser.press("Enter")
        browser.wait("return document.querySelector('#key-fault').textContent", what="a word on the wrong key")
        check(not browser.run("return document.querySelector('.card[data-state=done]')"), "a wrong key is refused")
        browser.run("document.querySelector('#key-text').value = ''")
        browser.type("#key-text", key)
        browser.press("Enter")
        browser.wait(DONE, what="the picture that waited")
        check(browser.run("return document.querySelector('.card').dataset.state") == "done", "the right key opens")
        held = browser.run(
            "return [location.href, document.cookie, JSON.stringify(localStorage), document.body.innerHTML]")
        check(key not in "".join(held), "the key is in no address, cookie, lasting store or markup")
        browser.open(address)
        browser.wait("return document.querySelector('#model').textContent")
        check(browser.run("return document.querySelector('#key').hidden"), "the tab keeps it")
        browser.click("#forget")
        browser.wait("return !document.querySelector('#key').hidden", what="the question after the key was forgotten")
        check(browser.run("return sessionStorage.length") == 0, "and forgets it when told to")
        browser.log("browser")
        asked = [json.loads(line["message"])["message"] for line in browser.log("performance")]
        urls = [e["params"]["request"]["url"] for e in asked if e["method"] == "Network.requestWillBeSent"]
        check(urls and not any(key in url for url in urls), "no request has the key in its address")
    check(key not in (folder / "log").read_text(), "the access log does not have it either")
