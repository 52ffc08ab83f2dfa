"""The example's page in a real browser: a door's answers and a worker's typing go in, what is shown comes out."""

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from itertools import count
from pathlib import Path
from select import select
from threading import Event
from urllib.parse import urlencode, urlsplit

from tests.listening import listening

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EXAMPLE = Path(__file__).parents[3] / "examples" / "task-page"
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
PATIENCE = 60
"""Seconds that a browser may be silent."""
SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts allow-forms"}
"""A page that is served so has nowhere to keep anything, as where cookies are blocked."""
SILENCE = (503, {})
"""What a door answers whose answer comes after the page has gone."""
WORK = {"id": "agent-1", "token": "t0ken", "data": {"topic": "trees"}, "submitted": False, "redirect": None}
HANDS_IN = """
const writes = setInterval(() => {
  if (document.getElementById("task").hidden) return;
  clearInterval(writes);
  document.getElementById("text").value = "Trees at a river.";
  document.getElementById("text").oninput();
  document.getElementById("send").click();
}, 20);
"""


class Shown(HTMLParser):
    """The texts of the elements of a page that are not hidden, by their ids."""

    def __init__(self, source):
        super().__init__()
        self.texts, self._open = {}, []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        """Note which element a text is in."""
        if tag not in {"meta", "link", "img", "input", "br"}:
            named = dict(attributes)
            hidden = "hidden" in named or bool(self._open and self._open[-1][1])
            self._open.append((named.get("id"), hidden))

    def handle_endtag(self, _tag):
        """It is over."""
        self._open.pop()

    def handle_data(self, text):
        """Keep it, unless nobody can see it."""
        if self._open and self._open[-1][0] and not self._open[-1][1] and text.strip():
            self.texts[self._open[-1][0]] = text.strip()


class Page:
    """Serves the example's page and is its door: `answers` are given in turn, the last one over and over."""

    def __init__(self, *answers, script="", headers=None):
        self.answers, self.script, self.headers, self.asked = list(answers), script, headers or {}, []
        self.silence = Event() if SILENCE in answers else None
        self.over = Event()

    def answer(self, path, body):
        """The status, the headers and the text for one request of the page's script."""
        self.asked.append((path, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == SILENCE:
            self.silence.set()
            self.over.wait(PATIENCE)
        status, said, *more = answer if isinstance(answer, tuple) else (200, answer)
        return status, more[0] if more else {}, said if isinstance(said, str) else json.dumps(said)

    def source(self, name):
        """One of the example's files; the page gets a hand on the keyboard."""
        if name == "hand.js":
            return self.script
        text = (EXAMPLE / name).read_text()
        return text.replace("</head>", '<script src="hand.js" defer></script></head>')

    def shown(self, browser):
        """What a browser shows of it at the end, by the ids of the elements."""
        with self._serving() as url:
            named = {"account": "lab", "run": "r1", "key": "k3y", "PROLIFIC_PID": "w1", "SESSION_ID": "s1"}
            try:
                return Shown(browser.dump(f"{url}/index.html?{urlencode(named)}", self.silence)).texts
            finally:
                self.over.set()

    @contextmanager
    def _serving(self):
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = urlsplit(self.path).path.strip("/")
                if name in {"index.html", "task.js", "task.css", "hand.js"}:
                    self.say(200, page.headers | {"Content-Type": KINDS[Path(name).suffix]}, page.source(name))
                else:
                    self.say(404, {}, "")

            def do_OPTIONS(self):
                self.say(200, {"Access-Control-Allow-Headers": "authorization, content-type"}, "")

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.say(*page.answer(self.path, body))

            def say(self, status, headers, text):
                shared = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
                payload = text.encode()
                self.send_response(status)
                for name, value in {**shared, **headers, "Content-Length": str(len(payload))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_):
                """Stay silent."""

        with listening(Handler) as port:
            yield f"http://127.0.0.1:{port}"


class Browser:
    """One Chromium for many pages, each as in a browser of its own; it is spoken to through a pair of pipes.

    What is said is described at https://chromedevtools.github.io/devtools-protocol/tot.
    """

    def __init__(self, home):
        theirs, self._say = os.pipe()
        self._hear, mine = os.pipe()
        flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
        command = [CHROMIUM, *flags.split(), f"--user-data-dir={home}", "--remote-debugging-pipe"]
        # It reads from descriptor 3 and writes to descriptor 4.
        shell = ["sh", "-c", f'exec "$@" 3</dev/fd/{theirs} 4>/dev/fd/{mine}', "sh", *command]
        self._process = subprocess.Popen(shell, pass_fds=[theirs, mine], stderr=subprocess.DEVNULL)
        for end in (theirs, mine):
            os.close(end)
        self._heard, self._numbers = b"", count(1)

    def close(self):
        """End it."""
        self._process.terminate()
        self._process.wait(PATIENCE)
        for end in (self._say, self._hear):
            os.close(end)

    def dump(self, url, silence=None):
        """The page as it is once nothing of it is under way any more, or a while after a silence has begun."""
        context = self._call("Target.createBrowserContext")["browserContextId"]
        target = self._call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        page = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.navigate", page, url=url)
        # From here on its time passes at once, but for what is under way on the network, unless that never ends.
        time = {"policy": "pauseIfNetworkFetchesPending", "budget": 4000}
        if silence is not None:
            assert silence.wait(PATIENCE)
            time = {"policy": "advance", "budget": 31_000}
        self._call("Emulation.setVirtualTimePolicy", page, **time)
        self._next(lambda said: said.get("method") == "Emulation.virtualTimeBudgetExpired")
        shown = self._call("Runtime.evaluate", page, expression="document.documentElement.outerHTML")
        self._call("Target.disposeBrowserContext", browserContextId=context)
        return shown["result"]["value"]

    def _call(self, method, page=None, **params):
        number = next(self._numbers)
        said = {"id": number, "method": method, "params": params} | ({"sessionId": page} if page else {})
        os.write(self._say, json.dumps(said).encode() + b"\0")
        answer = self._next(lambda said: said.get("id") == number)
        assert "result" in answer, answer
        return answer["result"]

    def _next(self, wanted):
        """What it says next that is wanted; it may say other things before that."""
        while True:
            while b"\0" not in self._heard:
                ready, _, _ = select([self._hear], [], [], PATIENCE)
                more = os.read(self._hear, 2**16) if ready else b""
                assert more, "the browser says nothing"
                self._heard += more
            said, _, self._heard = self._heard.partition(b"\0")
            if wanted(heard := json.loads(said)):
                return heard
