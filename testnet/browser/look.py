"""Looks at a node's dashboard in Chromium, as its users do: on a desktop and a phone, in both languages, light
and dark, by keyboard, and with axe's rules of accessibility.

    look.py LINK [PICTURES]

LINK is a one-time link of `x0 dashboard`; PICTURES is a folder to leave screenshots in. Each thing seen is one
line on the output. When it says `write`, whoever called it makes the node write a record and answers with a
line of text that must then appear by itself. When it says `ask`, whoever called it asks for an act that needs
co-signers and answers with the LINK of a node that was drawn; `signed` says that it was co-signed there. When it
says `override`, `report` or `amend`, whoever called it does such a thing and answers with words that must then
appear by themselves, for `override` followed by a tab and a file to save the proof in; `proof` says that it is there.
When it says `guard`, members serve as guardians and one puts an item, whose name and title come back, parted by a tab;
when it says `request`, a member asks for it, and its reason, the request and the vote come back.
Whatever does not hold is told, and ends it with 1.
"""

import os
import shutil
import sys
from itertools import product
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

PAGES = ["/ui", "/ui/map", "/ui/peers", "/ui/acts", "/ui/capabilities", "/ui/charter", "/ui/cases",
         "/ui/sublime", "/ui/guardian", "/ui/public", "/ui/audit", "/ui/about"]
SCREENS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True},
}
LANGUAGES = ["en", "ru"]
SCHEMES = {"desktop": ["light", "dark"], "phone": ["dark", "light"]}
# Rules of the standards that laws and public bodies ask for: WCAG 2.1, levels A and AA.
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
PATIENCE_MS = 30_000
# For what a committee has to agree on first.
LONG_PATIENCE_MS = 90_000


def main(link, pictures=None):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags())
        state = enter(browser, link)
        faults = []
        for (screen, settings), language in product(SCREENS.items(), LANGUAGES):
            scheme = SCHEMES[screen][LANGUAGES.index(language)]
            context = browser.new_context(storage_state=state, color_scheme=scheme, **settings)
            faults += look_at_all(context, origin(link), (screen, language, scheme), pictures)
            context.close()
        context = browser.new_context(storage_state=state)
        faults += walk_by_keyboard(context.new_page(), link)
        faults += watch_it_live(context.new_page(), link)
        faults += decide(browser)
        faults += see_what_is_public(context, link, pictures)
        # Each open page holds a connection, and a browser has six of them to one address.
        context.close()
        context = browser.new_context(storage_state=state)
        faults += see_what_is_kept_shut(context, link, pictures)
        browser.close()
    for fault in faults:
        tell(f"FAULT {fault}")
    return 1 if faults else 0


def chromium():
    found = next(filter(None, map(shutil.which, ["chromium", "google-chrome", "chromium-browser"])), None)
    return found or sys.exit("there is no Chromium on the PATH; run: make setup-test")


def flags():
    # Chromium has no sandbox for root. It opens nothing here but pages of our own node.
    return ["--no-sandbox"] if os.geteuid() == 0 else []


def enter(browser, link):
    """Opens the one-time link; returns the session that it leaves."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    page.wait_for_url(f"{origin(link)}/ui", timeout=PATIENCE_MS)
    again = browser.new_context().new_page().goto(link)
    if again.ok:
        sys.exit("the one-time link opened twice")
    tell(f"the one-time link opens the dashboard once; the second time it is refused with {again.status}")
    state = context.storage_state()
    context.close()
    return state


def look_at_all(context, node, guise, pictures):
    screen, language, scheme = guise
    faults = []
    page = context.new_page()
    where = ""

    def fault(what):
        faults.append(f"{screen}, {language}, {scheme}, {where}: {what}")

    def asked(request):
        if origin(request.url) != node:
            fault(f"asks {request.url}, which is not the node")

    page.on("request", asked)
    page.on("console", lambda message: message.type in ("error", "warning") and fault(f"console: {message.text}"))
    page.on("pageerror", lambda error: fault(f"script: {error}"))
    page.goto(f"{node}/ui/language/{language}?back=overview")
    for where in PAGES:
        answer = page.goto(f"{node}{where}")
        page.wait_for_load_state("load")
        if not answer.ok:
            fault(f"status {answer.status}")
        if page.get_attribute("html", "lang") != language:
            fault("is in another language")
        if not page.inner_text("h1").strip():
            fault("has no heading")
        if wider := scrolls_sideways(page):
            fault(f"scrolls sideways by {wider} pixels")
        found = Axe().run(page, options={"runOnly": AXE_TAGS}).response
        if not found["passes"]:
            fault("axe found nothing to check")
        for violation in found["violations"]:
            nodes = "; ".join(" ".join(map(str, node["target"])) for node in violation["nodes"][:3])
            fault(f"axe: {violation['id']}: {violation['help']} ({nodes})")
        if pictures:
            name = where.removeprefix("/ui").strip("/") or "overview"
            page.screenshot(path=f"{pictures}/{screen}-{language}-{scheme}-{name}.png", full_page=True)
    tell(f"{len(PAGES)} pages on a {screen}, in {language}, {scheme}: {len(faults)} faults")
    return faults


def walk_by_keyboard(page, link):
    """The first Tab offers to skip the navigation; every link of it can be reached and followed."""
    page.goto(f"{origin(link)}/ui")
    page.keyboard.press("Tab")
    if not page.evaluate("document.activeElement.matches('a.skip')"):
        return ["keyboard: the first Tab does not offer to skip the navigation"]
    page.keyboard.press("Enter")
    if page.evaluate("document.activeElement.id") != "main":
        return ["keyboard: skipping the navigation does not lead to the content"]
    page.goto(f"{origin(link)}/ui")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == "/ui/audit":
            break
    else:
        return ["keyboard: the audit log cannot be reached with Tab"]
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/audit", timeout=PATIENCE_MS)
    tell("by keyboard alone: skips the navigation, and walks it to the audit log")
    return []


def watch_it_live(page, link):
    """What the node writes appears on the open page, without a reload."""
    page.goto(f"{origin(link)}/ui/capabilities")
    live = page.locator("#live")
    expect(live).to_have_text(live.get_attribute("data-live-text"), timeout=PATIENCE_MS)
    page.evaluate("window.untouched = true")
    tell("write")
    text = sys.stdin.readline().strip()
    page.get_by_text(text).first.wait_for(timeout=PATIENCE_MS)
    if not page.evaluate("window.untouched === true"):
        return ["live: the page was loaded anew"]
    tell(f"a token for '{text}' granted now appears on the open page by itself")
    return []


def decide(browser):
    """An act waits on the dashboard of a node that was drawn; its person reads what would change, and co-signs."""
    tell("ask")
    link = sys.stdin.readline().strip()
    page = browser.new_page()
    page.goto(link)
    # The link's own page goes on to the first page: whoever leads elsewhere before that is led back.
    page.wait_for_url(f"{origin(link)}/ui", timeout=PATIENCE_MS)
    page.goto(f"{origin(link)}/ui/acts")
    card = page.locator("#consents article").first
    card.wait_for(timeout=PATIENCE_MS)
    found = Axe().run(page, options={"runOnly": AXE_TAGS}).response
    faults = [f"the decision: axe: {each['id']}: {each['help']}" for each in found["violations"]]
    shown = " ".join(card.locator("dd").first.inner_text().split())
    tell(f"the drawn node's dashboard shows what would change there: {shown}")
    card.get_by_role("button", name="Co-sign").click()
    page.wait_for_url("**/ui/acts", timeout=PATIENCE_MS)
    page.locator("#consents article").wait_for(state="detached", timeout=PATIENCE_MS)
    tell("its person presses Co-sign, and nothing waits there any more")
    tell("signed")
    return faults


def see_what_is_public(context, link, pictures):
    """An override, a report and an amendment appear on pages that are open; the override's proof is saved as a file."""
    pages = open_live(context, link, ["public", "cases", "charter"])
    tell("override")
    why, file = sys.stdin.readline().strip().split("\t")
    entry = pages["public"].locator("#entries article").filter(has_text=why).first
    entry.wait_for(timeout=LONG_PATIENCE_MS)
    with pages["public"].expect_download(timeout=PATIENCE_MS) as saved:
        entry.locator("a[download]").click()
    saved.value.save_as(file)
    tell(f"an override appears on the open page of the public log, and its proof is saved as {saved.value.suggested_filename}")
    tell("proof")
    tell("report")
    described = sys.stdin.readline().strip()
    pages["cases"].locator("#cases").get_by_text(described).first.wait_for(timeout=LONG_PATIENCE_MS)
    tell("a reported violation appears on the open page of cases, at a seat with what was reported")
    tell("amend")
    vote = sys.stdin.readline().strip()
    pages["charter"].locator("#amendments").get_by_text(vote).first.wait_for(timeout=LONG_PATIENCE_MS)
    tell("an amendment that is voted on appears on the open page of the charter, with what people lose by it")
    faults = untouched_and_accessible(pages, link, pictures)
    pages["public"].goto(f"{origin(link)}/ui/public?only=overrides")
    if pages["public"].locator("#entries article").count() != 1:
        faults.append("public: the filter does not show the one override alone")
    return faults


def see_what_is_kept_shut(context, link, pictures):
    """A member serves, an item is put and asked for: open pages tell, who asks and why included, and never the title."""
    pages = open_live(context, link, ["sublime", "guardian"])
    sublime, guardian = pages["sublime"], pages["guardian"]
    guardian.locator("#serving").get_by_text("x0 guardian serve").wait_for(timeout=PATIENCE_MS)
    tell("guard")
    item, title = sys.stdin.readline().strip().split("\t")
    guardian.locator("#serving").get_by_text("x0 guardian leave").wait_for(timeout=PATIENCE_MS)
    guardian.locator(f"#shares [title='{item}']").wait_for(timeout=PATIENCE_MS)
    put = sublime.locator("#items article").filter(has_text=item)
    put.wait_for(timeout=PATIENCE_MS)
    tell("a guardian serves, an item is put, and the open pages tell of it and of the share that is kept")
    tell("request")
    why, request, vote = sys.stdin.readline().strip().split("\t")
    for page, part in [(sublime, "#requests"), (guardian, "#waiting")]:
        card = page.locator(f"{part} article").filter(has_text=why)
        card.get_by_text(f"x0 vote cast {vote} yes").wait_for(timeout=LONG_PATIENCE_MS)
        card.locator(f"h3 [title='{request}']").wait_for(timeout=PATIENCE_MS)
    tell("a request appears on both open pages with its reason and its vote, and waits for the member at the browser")
    faults = [f"{name}: shows the title of a sealed item" for name, page in pages.items() if title in page.content()]
    return faults + untouched_and_accessible(pages, link, pictures)


def open_live(context, link, names):
    """Opens pages that keep themselves up to date, each marked so that a reload would be noticed."""
    pages = {name: context.new_page() for name in names}
    for name, page in pages.items():
        page.goto(f"{origin(link)}/ui/{name}")
        live = page.locator("#live")
        expect(live).to_have_text(live.get_attribute("data-live-text"), timeout=PATIENCE_MS)
        page.evaluate("window.untouched = true")
    return pages


def untouched_and_accessible(pages, link, pictures):
    """Returns which pages were loaded anew, and what axe finds in them now that they have something to show."""
    faults = []
    for name, page in pages.items():
        if not page.evaluate("window.untouched === true"):
            faults.append(f"{name}: the page was loaded anew")
        for language in LANGUAGES:
            page.goto(f"{origin(link)}/ui/language/{language}?back={name}")
            found = Axe().run(page, options={"runOnly": AXE_TAGS}).response
            faults += [f"{name}, {language}: axe: {each['id']}: {each['help']}" for each in found["violations"]]
            if pictures:
                page.screenshot(path=f"{pictures}/live-{language}-{name}.png", full_page=True)
        page.set_viewport_size(SCREENS["phone"]["viewport"])
        if wider := scrolls_sideways(page):
            faults.append(f"{name}: scrolls sideways by {wider} pixels on a phone")
        if pictures:
            page.screenshot(path=f"{pictures}/live-phone-{name}.png", full_page=True)
    return faults


def scrolls_sideways(page):
    return max(0, page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def origin(link):
    return "{0.scheme}://{0.netloc}".format(urlsplit(link))


def tell(line):
    print(line, flush=True)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
