"""What is said on the way: chapters, checks, what the emulator cannot do, and the closing line."""

import time


class NotSo(Exception):
    """A check that does not hold, or something that did not come in time."""


class Progress:
    def __init__(self):
        self.passed, self.failed, self.impossible = 0, 0, []

    def chapter(self, title, work):
        """Runs one chapter. What fails ends it, and the next one begins all the same; False says that it failed."""
        begun = time.monotonic()
        print(f"\n{title}", flush=True)
        try:
            work()
        except Exception as problem:  # A client's error is as much a failure as a check that does not hold.
            self.failed += 1
            kind = "" if isinstance(problem, NotSo) else f"{type(problem).__name__}: "
            print(f"  FAILED  {kind}{problem}", flush=True)
            return False
        print(f"  ({time.monotonic() - begun:.1f} s)", flush=True)
        return True

    def check(self, what, holds, otherwise=""):
        """Counts one thing that holds; what does not ends the chapter."""
        if not holds:
            raise NotSo(f"{what}: not so{f', but {otherwise}' if otherwise else ''}")
        self.passed += 1
        print(f"  ok  {what}", flush=True)

    def note(self, text):
        print(f"      {text}", flush=True)

    def not_possible(self, what):
        """Something of the template that this emulator cannot show. It is listed, and neither passed nor failed."""
        self.impossible.append(what)
        print(f"  not possible here: {what}", flush=True)

    def close(self):
        """The closing lines; the exit status."""
        if self.impossible:
            print(f"\nNot possible in this emulator, and so not shown ({len(self.impossible)}):")
            for what in self.impossible:
                print(f"  - {what}")
        print(f"\n{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def wait_for(what, look, seconds):
    """Looks until it sees something, which it returns; after so many seconds it says what did not come.

    `look` returns what it saw, or a text that says how things stand instead.
    """
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if not isinstance(seen, str):
            return seen
        if time.monotonic() > deadline:
            raise NotSo(f"{what} did not come within {seconds} s; instead: {seen}")
        time.sleep(0.2)
