"""The example's page in a real browser: a door's answers and a worker's typing go in, what is shown comes out."""

import json
import shutil
import subprocess
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from tests.listening import listening

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EXAMPLE = Path(__file__).parents[3] / "examples" / "task-page"
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts allow-forms"}
"""A page that is served so has nowhere to keep anything, as where cookies are blocked."""
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

    def answer(self, path, body):
        """The status, the headers and the text for one request of the page's script."""
        self.asked.append((path, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        status, said, *more = answer if isinstance(answer, tuple) else (200, answer)
        return status, more[0] if more else {}, said if isinstance(said, str) else json.dumps(said)

    def source(self, name):
        """One of the example's files; the page gets a hand on the keyboard."""
        if name == "hand.js":
            return self.script
        text = (EXAMPLE / name).read_text()
        return text.replace("</head>", '<script src="hand.js" defer></script></head>')

    def shown(self, tmp_path):
        """What a browser shows of it at the end, by the ids of the elements."""
        with self._serving() as url:
            named = {"account": "lab", "run": "r1", "key": "k3y", "PROLIFIC_PID": "w1", "SESSION_ID": "s1"}
            return Shown(dump(f"{url}/index.html?{urlencode(named)}", tmp_path)).texts

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


def dump(url, tmp_path):
    """The page as it is once nothing of it is under way any more."""
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
    own = (f"--user-data-dir={tmp_path}/browser", "--virtual-time-budget=4000", "--dump-dom")
    made = subprocess.run([CHROMIUM, *flags, *own, url], capture_output=True, text=True, timeout=60, check=True)
    return made.stdout
