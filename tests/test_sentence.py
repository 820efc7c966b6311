"""A sentence is made once: the same pieces are text, HTML and Markdown, and a name stays a name in each."""

from __future__ import annotations

from typing import Any

import pytest

import sigtrace
from sigtrace.output.html.markup import rendered
from sigtrace.output.sentence import Piece, death_pieces, error_text, plain, sentence, source_text
from sigtrace.output.sentence.details import details

HOSTILE = "<b>\x1b[31m) (1\n"


def death(**changed: Any) -> dict[str, Any]:
    """Make a death by the kill of another process, changed as told."""
    made = {
        "log": None,
        "victim_pid": 5,
        "victim_comm": "web",
        "ts": 2_000_000,
        "time": None,
        "sig": 15,
        "verdict": "killed",
        "source": "call",
        "killer_pid": 7,
        "killer_comm": "deployer",
        "actor_pid": 7,
        "actor_comm": "deployer",
        "ancestors": [],
        "group": False,
        "delay_us": 17,
        "earlier_sig": None,
        "earlier_fate": None,
        "grace_us": None,
        "lost": False,
        "lines": [3, 4],
    }
    assert changed.keys() <= made.keys() | NEWER
    return {**made, **changed}


NEWER = {
    *("exit_status", "how", "hops", "first_sig", "reraised", "victim_unit", "victim_container"),
    *("killer_unit", "killer_container", "killer_thread", "oom_asker", "oom_cgroup", "oom_figures"),
}
BY_NOBODY = {"killer_pid": None, "killer_comm": None, "actor_pid": None, "actor_comm": None}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "web (5) was killed by deployer (7) with SIGTERM, 17 µs after it was sent."),
        (
            {"actor_pid": 3, "actor_comm": "cron", "group": True, "delay_us": None},
            "web (5) was killed by deployer (7) for cron (3) with SIGTERM, as one of a group.",
        ),
        (
            {"earlier_sig": 1, "earlier_fate": "ignored", "grace_us": 1_500_000, "delay_us": None},
            "web (5) was killed by deployer (7) with SIGTERM; SIGHUP had come 1.5 s before (ignored).",
        ),
        (
            {"ancestors": ["sh (2)", "init (1)"], "delay_us": None},
            "web (5) was killed by deployer (7) with SIGTERM; the killer's ancestors: sh (2) < init (1).",
        ),
        ({"verdict": "self", "killer_pid": 5, "ancestors": ["sh (2)"]}, "web (5) ended itself with SIGTERM."),
        (
            {"verdict": "oom", "source": "oom", "sig": 9, **BY_NOBODY},
            "web (5) was ended by the OOM killer, 17 µs after SIGKILL.",
        ),
        (
            {"source": "timer", "sig": 14, "delay_us": None, **BY_NOBODY},
            "web (5) was ended by SIGALRM from a timer of its own.",
        ),
        (
            {"verdict": "unknown", "source": None, "sig": None, "lost": True, **BY_NOBODY},
            "web (5) ended, and the cause is unknown; events were lost around that time.",
        ),
        (
            {"verdict": "unknown", "source": None, **BY_NOBODY},
            "web (5) ended, and the cause is unknown; SIGTERM was delivered to it.",
        ),
        ({"verdict": "exited", "source": None, "sig": None, **BY_NOBODY}, "web (5) exited."),
        (
            {"victim_comm": None, "killer_comm": None},
            "? (5) was killed by ? (7) with SIGTERM, 17 µs after it was sent.",
        ),
    ],
)
def test_a_death_is_a_sentence(changed: dict[str, Any], said: str) -> None:
    assert plain(death_pieces(death(**changed), "us")) == said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"verdict": "asked", "how": "handled", "exit_status": 0, "delay_us": 12_000},
            "exited with status 0, 12.0 ms after it handled SIGTERM from deployer (7).",
        ),
        (
            {"verdict": "asked", "how": "waited for", "exit_status": 143, "delay_us": None, "group": True},
            "exited with status 143 after it waited for SIGTERM and got it from deployer (7), as one of a group.",
        ),
        (
            {"verdict": "asked", "killer_comm": "a", "delay_us": None, "hops": ["c (3)", "b (2)", "a (7)"]},
            "exited after it got SIGTERM from a (7), which passed it on from b (2), which passed it on from c (3).",
        ),
        (
            {"verdict": "asked", "how": "handled", "exit_status": 1, "sig": 2, "source": "terminal", **BY_NOBODY},
            "exited with status 1, 17 µs after it handled SIGINT from its terminal.",
        ),
        (
            {"verdict": "asked", "how": "handled", "exit_status": 1, "delay_us": None, "killer_pid": 5, "actor_pid": 5},
            "exited with status 1 after it handled SIGTERM from itself.",
        ),
        (
            {
                "verdict": "asked",
                "how": "handled",
                "delay_us": None,
                "earlier_sig": 2,
                "earlier_fate": "handled",
                "grace_us": 5,
            },
            "exited after it handled SIGTERM from deployer (7); SIGINT had come 5 µs before (handled).",
        ),
    ],
)
def test_who_was_asked_to_end_exited_after_it_got_a_signal(changed: dict[str, Any], said: str) -> None:
    assert plain(death_pieces(death(**changed), "us")) == f"web (5) {said}"


def test_an_exit_has_its_status_or_says_that_it_is_not_known_if_others_are() -> None:
    exited = death(verdict="exited", source=None, sig=None, delay_us=None, **BY_NOBODY)
    assert plain(death_pieces({**exited, "exit_status": 3}, "us", statuses=True)) == "web (5) exited with status 3."
    unknown = {**exited, "exit_status": None}
    assert plain(death_pieces(unknown, "us", statuses=True)) == "web (5) exited; its status is not known."
    assert plain(death_pieces(unknown, "us")) == "web (5) exited."


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"hops": ["deployer (7)"]}, "deployer (7) with SIGTERM."),
        ({"hops": ["cron (3)", "deployer (7)"]}, "deployer (7), which passed on SIGTERM from cron (3)."),
        (
            {"killer_comm": "a", "actor_pid": 3, "hops": ["d (3)", "c (4)", "b (2)", "a (7)"]},
            "a (7), which passed on SIGTERM from b (2), which passed it on from c (4), which passed it on from d (3).",
        ),
        (
            {"hops": ["cron (3)", "deployer (7)"], "first_sig": 2},
            "deployer (7) with SIGTERM, after SIGINT from cron (3).",
        ),
        (
            {"hops": ["cron (3)", "tini (2)", "deployer (7)"], "first_sig": 2},
            "deployer (7) with SIGTERM, after SIGINT from cron (3) by way of tini (2).",
        ),
        ({"reraised": True}, "deployer (7) with SIGTERM, which it handled and raised anew."),
        (
            {"reraised": True, "hops": ["cron (3)", "deployer (7)"]},
            "deployer (7), which passed on SIGTERM from cron (3); it handled SIGTERM and raised it anew.",
        ),
    ],
)
def test_a_signal_is_followed_back_to_its_first_sender(changed: dict[str, Any], said: str) -> None:
    assert plain(death_pieces(death(delay_us=None, **changed), "us")) == f"web (5) was killed by {said}"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"source": "parent", "hops": []}, "when its parent ended"),
        ({"source": "parent", "hops": ["init (9)"]}, "when its parent init (9) ended"),
        (
            {"source": "parent", "hops": ["hunter (7)", "init (9)"]},
            "when its parent init (9) ended, which hunter (7) had ended",
        ),
        (
            {"source": "parent", "hops": ["cron (3)", "hunter (7)", "init (9)"]},
            "when its parent init (9) ended, which hunter (7) had ended; that goes back to cron (3)",
        ),
        (
            {"source": "parent", "hops": ["cron (3)", "sh (4)", "hunter (7)", "init (9)"]},
            "when its parent init (9) ended, which hunter (7) had ended; that goes back to cron (3) by way of sh (4)",
        ),
        ({"source": "leader", "hops": ["bash (7)"]}, "when the leader of its session, bash (7), ended"),
        (
            {"source": "namespace", "hops": ["docker (2)", "tini (12)"]},
            "when the init of its pid namespace, tini (12), ended, which docker (2) had ended",
        ),
        ({"source": "namespace"}, "when the init of its pid namespace ended"),
    ],
)
def test_what_ended_because_another_one_did_says_which_and_who_ended_that(changed: dict[str, Any], said: str) -> None:
    ended = death(delay_us=None, **BY_NOBODY, **changed)
    assert plain(death_pieces(ended, "us")) == f"web (5) was ended by SIGTERM {said}."
    asked = {**ended, "verdict": "asked", "how": "handled", "exit_status": 0}
    assert plain(death_pieces(asked, "us")) == f"web (5) exited with status 0 after it handled SIGTERM {said}."


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "was ended by the OOM killer, 17 µs after SIGKILL."),
        (
            {"oom_asker": "python3 (12)", "oom_cgroup": "/x", "oom_figures": "5\x1b"},
            "was ended by the OOM killer when python3 (12) asked for memory in cgroup /x, 17 µs after SIGKILL; 5\\x1b.",
        ),
        ({"oom_asker": "web (5)"}, "was ended by the OOM killer when it asked for memory, 17 µs after SIGKILL."),
    ],
)
def test_the_oom_killer_s_victim_is_told_with_who_asked_where_and_the_figures(
    changed: dict[str, Any], said: str
) -> None:
    one = death(verdict="oom", source="oom", sig=9, **BY_NOBODY, **changed)
    assert plain(death_pieces(one, "us")) == f"web (5) {said}"
    assert plain(death_pieces(one, "us", brief=True)) == "web (5) was ended by the OOM killer."


def test_a_killer_is_called_by_its_process_and_the_thread_is_told_too() -> None:
    one = death(killer_comm="kubelet", killer_thread="grpc-worker-3", delay_us=None)
    said = "web (5) was killed by kubelet (7, thread grpc-worker-3) with SIGTERM."
    assert plain(death_pieces(one, "us")) == said
    one |= {"killer_unit": "kubelet.service"}
    assert "kubelet (7, kubelet.service, thread grpc-worker-3)" in plain(death_pieces(one, "us"))


def test_the_names_of_hops_are_pieces_of_their_own_and_escaped() -> None:
    pieces = death_pieces(death(hops=[f"{HOSTILE} (3)", f"{HOSTILE} (2)", "deployer (7)"]), "us")
    named = [piece.text for piece in pieces if piece.is_name]
    assert named == ["web (5)", "deployer (7)", r"<b>\x1b[31m) (1\n (2)", r"<b>\x1b[31m) (1\n (3)"]


def test_a_fault_that_was_handled_and_raised_anew_is_a_fault() -> None:
    fault = death(verdict="fault", source="fault", sig=11, reraised=True, delay_us=None, **BY_NOBODY)
    said = "web (5) was ended by SIGSEGV for a fault of its own, which it handled and raised anew."
    assert plain(death_pieces(fault, "us")) == said


def test_a_unit_or_else_the_container_stands_beside_the_pid() -> None:
    container = "0123456789abcdef" * 4
    pieces = death_pieces(
        death(victim_unit="web.service", killer_unit="docker.service", killer_container=container, delay_us=None), "us"
    )
    said = "web (5, web.service) was killed by deployer (7, container 0123456789ab) with SIGTERM."
    assert plain(pieces) == said
    (victim, *_) = death_pieces(death(victim_unit=HOSTILE), "us")
    assert victim == Piece(r"web (5, <b>\x1b[31m) (1\n)", is_name=True)


def test_the_details_say_who_victim_and_killer_are_as_far_as_is_known() -> None:
    assert details({**death(), "command": None, "cgroup": None}) == []
    known = {"command": "/bin/web -p\n80", "victim_user": "www", "ns_pid": 1, "killer_command": "sh deploy.sh"}
    assert details({**death(), **known}) == [
        ("command", r"/bin/web -p\n80"),
        ("user", "www"),
        ("killer's command", "sh deploy.sh"),
        ("pid in its namespace", "1"),
    ]
    assert details({**death(), "ns_pid": 5}) == []


def test_a_brief_sentence_says_who_and_with_what_and_no_more() -> None:
    long = death(earlier_sig=1, earlier_fate="ignored", grace_us=1, ancestors=["sh (2)"], lost=True)
    assert plain(death_pieces(long, "us", brief=True)) == "web (5) was killed by deployer (7) with SIGTERM."


def test_on_a_clock_of_ticks_a_sentence_has_ticks() -> None:
    pieces = death_pieces(death(delay_us=1, earlier_sig=1, earlier_fate="ignored", grace_us=70_000), "ticks")
    assert plain(pieces).endswith("1 tick after it was sent; SIGHUP had come 70,000 ticks before (ignored).")


def test_the_names_of_a_log_are_pieces_of_their_own_and_escaped() -> None:
    pieces = death_pieces(
        death(victim_comm=HOSTILE, actor_pid=3, actor_comm=HOSTILE, ancestors=[f"{HOSTILE} (1)"]), "us"
    )
    named = [piece.text for piece in pieces if piece.is_name]
    name = r"<b>\x1b[31m) (1\n"
    assert named == [f"{name} (5)", "deployer (7)", f"{name} (3)", f"{name} (1)"]
    assert not [piece.text for piece in pieces if not piece.is_name and ("<b>" in piece.text or "31m" in piece.text)]


def test_pieces_render_as_text_and_as_html() -> None:
    pieces = [Piece("a<", is_name=True), Piece(" was killed & ")]
    assert plain(pieces) == "a< was killed & "
    assert rendered(pieces) == '<b class="name">a&lt;</b> was killed &amp; '


def test_a_sentence_has_its_time_and_its_lines() -> None:
    session = sigtrace.read("tests/fixtures/evidence_events.txt")
    assert sentence(death(), session) == (
        "2.000000 web (5) was killed by deployer (7) with SIGTERM, 17 µs after it was sent. [lines 3, 4]"
    )
    session.accounting.ts_unit = "ticks"
    assert sentence(death(lines=[3]), session) == (
        "2000000 web (5) was killed by deployer (7) with SIGTERM, 17 ticks after it was sent. [line 3]"
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"fate": "handled"}, "2.000000 web (5) got SIGTERM from deployer (7): handled; it lived on. [line 3]"),
        (
            {"fate": "ignored", "group": True, "source": "terminal", **BY_NOBODY},
            "2.000000 web (5) got SIGTERM from its terminal, as one of a group: ignored; it lived on. [line 3]",
        ),
        (
            {"fate": "delivered", "source": None, **BY_NOBODY},
            "2.000000 web (5) got SIGTERM: delivered; it lived on. [line 3]",
        ),
    ],
)
def test_a_signal_that_was_survived_is_a_sentence(changed: dict[str, Any], said: str) -> None:
    one = {**death(verdict="alive", lines=[3]), **changed}
    assert sentence(one, sigtrace.read("tests/fixtures/evidence_events.txt")) == said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"target": 5, "ret": 0, "calls": 1}, "deployer (7) sent SIGTERM to web (5): ok."),
        (
            {"target": 5, "ret": -3, "calls": 1_200, "victim_comm": None},
            "deployer (7) sent SIGTERM to 5: ESRCH (no such process), 1,200 times.",
        ),
        (
            {"target": -9, "ret": 0, "calls": 1, "victim_comm": None, "group": True},
            "deployer (7) sent SIGTERM to process group 9: ok; the log does not say who was in that group.",
        ),
    ],
)
def test_a_call_is_a_sentence(changed: dict[str, Any], said: str) -> None:
    one = {**death(verdict="unknown", lines=[3]), **changed}
    assert sentence(one, sigtrace.read("tests/fixtures/evidence_events.txt")) == f"2.000000 {said} [line 3]"


@pytest.mark.parametrize(
    ("ret", "said"), [(0, "ok"), (5, "ok"), (-1, "EPERM (not permitted)"), (-99, "errno 99 (see errno(3))")]
)
def test_what_a_call_returned_is_said_in_words(ret: int, said: str) -> None:
    assert error_text(ret) == said


def test_no_name_of_a_process_can_be_taken_for_a_source() -> None:
    sources = ("fault", "oom", "terminal", "timer", "parent", "leader", "namespace", "kernel", None)
    assert all(len(source_text(source).encode()) > 15 for source in sources)
