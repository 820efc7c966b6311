"""The plainest parser that can be right: docs/format.md as regular expressions, a line at a time, all in memory.

It is slow, and shares nothing with sigtrace's: where the two disagree, one of them is wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

Row = dict[str, Any]

_HEADER = re.compile(
    rb"-(?P<tid>\d{1,18})[ \t]+"
    rb"(?:\([ \t]*(?:-+|(?P<tgid>\d{1,18}))\)[ \t]*)?"
    rb"\[(?P<cpu>\d{3,18})\][ \t]+"
    rb"(?:[^0-9 \t][^ \t]{3,7}[ \t]+)?"
    rb"(?P<seconds>\d{1,18})(?:\.(?P<micros>\d{6}))?: "
)
_EVENT_NAME = re.compile(rb"[^\x00-\x20:]+: |sys_[^\x00-\x20:]* -> ")
_LOSS = re.compile(rb"[ \t]*CPU:(\d{1,18}) \[LOST (?:(\d{1,18}) )?EVENTS\][ \t\r]*")
_PROGRAM = re.compile(rb"(?:bpf_trace_printk|0[^\x00-\x20:]*): (?:bpf_string=)?")
_INT = rb"(-?\d{1,18})"
_HEX = rb"(-\d{1,18}|(?:0x)?[0-9a-f]{1,16})"
_ARGUMENT = rb"(?:pid_t |int )?%s: " + _HEX
_END = rb"[ \t\r]*"
_OURS = rb"(?:bpf_string=)?(?:PID \d+ \(.*\) sent signal -?\d+|to PID -?\d+, ret = -?\d+)[ \t\r]*"
_LAYOUTS = (
    rb"\s*.{0,16}-\d+ +\d+\S+ +\d+us\W*: \w+: ",  # latency-format
    rb".*\[[0-9a-f]+\] \d+\.\d+ms \(\+\d+\.\d+ms\): \w+: ",  # verbose
    rb"\s*(?:\w+: )?",  # no context-info
)
_LONGEST = 1 << 20
_LONGEST_RECORD = 8192
_THREADS = 4096


def read(log: bytes) -> tuple[list[Row], dict[str, int]]:
    """Return the rows of a log, without their nulls, and how many lines became what."""
    parser = _Parser()
    lines = log.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    for line in lines:
        parser.line(line)
    parser.end()
    return parser.rows, {kind: n for kind, n in parser.kinds.items() if n}


def _int32(text: bytes) -> int | None:
    number = int(text)
    return number if -(1 << 31) <= number < 1 << 31 else None


def _signed(number: int) -> int:
    number &= (1 << 32) - 1
    return number - (1 << 32) if number >= 1 << 31 else number


def _hexadecimal(text: bytes) -> int | None:
    return _int32(text) if text.startswith(b"-") else _signed(int(text, 16))


def _name(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def _numbers(*texts: bytes) -> list[int] | None:
    found = [_int32(text) for text in texts]
    return None if None in found else found  # type: ignore[return-value]


class _Parser:
    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.kinds: Counter[str] = Counter()
        self._number = 0
        self._seen_header = self._after_piece = False
        self._group_dead = False  # whether an exit has said it: then every exit does
        self._sent: dict[int, Row] = {}  # by CPU: a first line of the program's, whose second may come
        self._calls: dict[int, Row] = {}  # by thread: what the kernel's own lines tell
        self._cut: tuple[str, Row, bytes] | None = None  # a record that a newline has cut

    def line(self, text: bytes) -> None:
        self._number += 1
        if len(text) >= _LONGEST:
            self._give_up()
            self.kinds["malformed"] += 1
            return
        found = self._header(text)
        if found is None:
            self._headerless(text)
            return
        self._give_up()
        self._seen_header = True
        header, message = found
        self._message(header, text[message:])
        self._after_piece = False

    def end(self) -> None:
        self._give_up()
        for cpu in list(self._sent):
            self._left_over(cpu)
        for tid in list(self._calls):
            self._call_over(tid)

    def _row(self, row: Row) -> None:
        self.rows.append({name: value for name, value in row.items() if value is not None})

    # Headers

    def _header(self, text: bytes) -> tuple[Row, int] | None:
        padded = self._header_at(text, 16) if text[16:17] == b"-" else None
        if padded is not None:
            return padded
        first = len(text) - len(text.lstrip(b" \t"))
        found = None
        for i in range(first, min(first + 17, len(text))):
            if text[i : i + 1] == b"-":
                loose = self._header_at(text, i)
                if loose is not None and _EVENT_NAME.match(text, loose[1]):
                    found = loose
        return found

    def _header_at(self, text: bytes, minus: int) -> tuple[Row, int] | None:
        match = _HEADER.match(text, minus)
        if match is None:
            return None
        tid, tgid, cpu = (None if match[name] is None else int(match[name]) for name in ("tid", "tgid", "cpu"))
        ts = int(match["seconds"])
        if match["micros"] is not None:
            if ts > 9_000_000_000_000:
                return None
            ts = ts * 1_000_000 + int(match["micros"])
        if max(tid or 0, tgid or 0) >= 1 << 31 or (cpu or 0) >= 65536:
            return None
        comm = text[:minus].lstrip(b" \t")
        forgotten = comm == b"<...>" or (self._after_piece and minus != 16)
        header = {"line": self._number, "ts": ts, "cpu": cpu, "tid": tid, "pid": tgid}
        return {**header, "comm": None if forgotten else _name(comm)}, match.end()

    # Lines without one

    def _headerless(self, text: bytes) -> None:
        loss = _LOSS.fullmatch(text)
        if loss is not None and int(loss[1]) < 65536:
            self._lose(int(loss[1]), None if loss[2] is None else int(loss[2]))
            return
        self._after_piece = True
        if self._cut is not None:
            self._go_on(text)
        elif text.startswith(b"#"):
            self.kinds["comment"] += 1
        elif not text.strip(b" \t\r"):
            self.kinds["blank"] += 1
        elif len(text) <= 512 and any(re.fullmatch(layout + _OURS, text, re.DOTALL) for layout in _LAYOUTS):
            self.kinds["unstitchable"] += 1
        else:
            self.kinds["continuation" if self._seen_header else "malformed"] += 1

    def _lose(self, cpu: int, count: int | None) -> None:
        self._give_up()
        self._after_piece = False
        self._seen_header = True
        for tid, call in list(self._calls.items()):
            if not _whole(call) or (call["cpu"] == cpu and not call["repeated"]):
                self._call_over(tid)
        self._left_over(cpu)
        self._row({"event": "lost", "line": self._number, "cpu": cpu, "lost": count})
        self.kinds["lost"] += 1

    # Messages

    def _message(self, header: Row, text: bytes) -> None:
        program = _PROGRAM.match(text)
        if program is not None:
            self._printed(header, text[program.end() :])
        elif text.startswith(b"sy"):
            self._syscall(header, text)
        elif text.startswith((b"cgroup_attach_task: dst_root=", b"cgroup_mkdir: root=")):
            self._cgroup(header, text)
        else:
            self._event(header, text)

    def _printed(self, header: Row, text: bytes) -> None:
        sent = re.match(rb"PID " + _INT + rb" \(", text)
        pid = None if sent is None else _int32(sent[1])
        if sent is not None and pid is not None and pid >= 0:
            self._open("sent", {**header, "pid": pid}, text[sent.end() :])
            return
        to = re.match(rb"to PID " + _INT + rb"(?!\d)", text)
        if to is not None and _int32(to[1]) is not None:
            whole = re.fullmatch(rb"to PID " + _INT + rb", ret = " + _INT + _END, text)
            numbers = None if whole is None else _numbers(whole[1], whole[2])
            if numbers is None:
                self.kinds["malformed"] += 1
            else:
                self._complete(header, *numbers)
            return
        self._context(header, text)

    def _context(self, header: Row, text: bytes) -> None:
        text = text.removesuffix(b"\r")
        if text.startswith(b"sigtrace exec old="):
            executed = re.fullmatch(rb"sigtrace exec old=" + _INT + rb" (.*)", text, re.DOTALL)
            old = None if executed is None else _int32(executed[1])
            if executed is None or old is None:
                self.kinds["malformed"] += 1
            else:
                self._found("exec", header, target=old, filename=_name(executed[2]))
        elif text.startswith(b"sigtrace args uid="):
            who = re.fullmatch(rb"sigtrace args uid=" + _INT + rb" cgroup=(\d{1,18})(?: (.*))?", text, re.DOTALL)
            uid = None if who is None else _int32(who[1])
            if who is None or uid is None:
                self.kinds["malformed"] += 1
            else:
                self._found("args", header, uid=uid, cgroup_id=int(who[2]), command=_name(who[3]) if who[3] else None)
        else:
            self.kinds["other"] += 1

    def _found(self, event: str, header: Row, **said: Any) -> None:
        self._row({"event": event, **header, **said})
        self.kinds[event] += 1

    # The program's two lines

    def _complete(self, header: Row, target: int, ret: int) -> None:
        cpu, said = header["cpu"], {"target": target, "ret": ret}
        sent = self._sent.get(cpu)
        if sent is not None and sent["tid"] == header["tid"]:
            self._row({"event": "kill", **self._sent.pop(cpu), **said})
            self.kinds["kill"] += 2
            self._told_by_the_program(header["tid"], sent["sig"], target, ret)
        else:
            self._left_over(cpu)
            self._row({"event": "kill_half", **header, **said})
            self.kinds["half"] += 1

    def _left_over(self, cpu: int) -> None:
        if cpu in self._sent:
            self._row({"event": "kill_half", **self._sent.pop(cpu)})
            self.kinds["half"] += 1

    # Names, from the right

    def _open(self, kind: str, header: Row, rest: bytes) -> None:
        if not self._ends(kind, header, rest):
            if kind == "sent":
                self._left_over(header["cpu"])
            self._cut = (kind, header, rest)

    def _go_on(self, text: bytes) -> None:
        assert self._cut is not None
        kind, header, rest = self._cut
        rest += b"\n" + text
        self.kinds["continuation"] += 1
        self._cut = (kind, header, rest)
        if len(rest) > _LONGEST_RECORD:
            self._give_up()
        elif self._ends(kind, header, rest):
            self._cut = None

    def _give_up(self) -> None:
        self.kinds["malformed"] += self._cut is not None
        self._cut = None

    def _ends(self, kind: str, header: Row, rest: bytes) -> bool:
        return bool(getattr(self, f"_ends_{kind}")(header, rest.rstrip(b" \t\r")))

    def _ends_sent(self, header: Row, rest: bytes) -> bool:
        match = re.fullmatch(rb"(.*)\) sent signal " + _INT, rest, re.DOTALL)
        if match is None or (sig := _int32(match[2])) is None:
            return False
        self._left_over(header["cpu"])
        self._sent[header["cpu"]] = {**header, "comm": _name(match[1]), "sig": sig}
        return True

    def _ends_signal_generate(self, header: Row, rest: bytes) -> bool:
        match = re.fullmatch(rb"(.*) pid=" + _INT + rb" grp=" + _INT + rb" res=" + _INT, rest, re.DOTALL)
        numbers = None if match is None else _numbers(*match.groups()[1:])
        if match is None or numbers is None:
            return False
        pid, grp, res = numbers
        said = {"target": pid, "target_comm": _name(match[1]), "grp": grp != 0, "res": res & 127}
        self._found("signal_generate", header, **said)
        return True

    def _ends_signal_deliver(self, header: Row, rest: bytes) -> bool:
        match = re.match(rb" sa_handler=([0-9a-f]+) sa_flags=", rest)
        if match is None:
            self.kinds["malformed"] += 1
        else:
            handler = {b"0": "default", b"1": "ignored"}.get(match[1], "handled")
            self._found("signal_deliver", header, handler=handler)
        return True

    def _ends_sched_process_exit(self, header: Row, rest: bytes) -> bool:
        match = re.fullmatch(
            rb"(.*) pid=" + _INT + rb" prio=" + _INT + rb"( group_dead=(true|false))?", rest, re.DOTALL
        )
        numbers = None if match is None else _numbers(match[2], match[3])
        if match is None or numbers is None or numbers[0] != header["tid"]:
            return False
        if match[5] is None and self._group_dead:
            return False
        self._group_dead |= match[5] is not None
        dead = None if match[5] is None else match[5] == b"true"
        self._found("sched_process_exit", {**header, "comm": _name(match[1])}, group_dead=dead)
        return True

    def _ends_sched_process_fork(self, header: Row, rest: bytes) -> bool:
        match = re.fullmatch(rb"(.*) child_pid=" + _INT, rest, re.DOTALL)
        child = None if match is None else _int32(match[2])
        if match is None or child is None:
            return False
        names = match[1]
        for way in re.finditer(rb"(?= pid=" + _INT + rb" child_comm=)", names):
            parent, born = names[: way.start()], names[way.end(1) + len(b" child_comm=") :]
            if parent == born and _int32(way[1]) is not None:
                named = {**header, "comm": _name(parent)}
                self._found("sched_process_fork", named, target=child, target_comm=_name(born))
                return True
        return False

    def _ends_sched_process_exec(self, header: Row, rest: bytes) -> bool:
        match = re.fullmatch(rb"(.*) pid=" + _INT + rb" old_pid=" + _INT, rest, re.DOTALL)
        numbers = None if match is None else _numbers(match[2], match[3])
        if match is None or numbers is None:
            return False
        self._found("sched_process_exec", header, target=numbers[1], filename=_name(match[1]))
        return True

    def _ends_mark_victim(self, header: Row, rest: bytes) -> bool:
        if rest == b"":
            self._found("mark_victim", header)
            return True
        if not rest.startswith(b" comm="):
            self.kinds["malformed"] += 1
            return True
        match = re.fullmatch(rb" comm=(.*) (total-vm=.*)", rest, re.DOTALL)
        if match is None:
            return False
        said = {"target_comm": _name(match[1])}
        uid = re.search(rb" uid=(\d{1,18})?(?!\d)", match[2])
        if uid is not None and uid[1] is not None and int(uid[1]) < 1 << 32:
            self._found("mark_victim", header, **said, uid=_signed(int(uid[1])), command=_name(match[2]))
        else:
            self._found("mark_victim", header, **said)
        return True

    # The kernel's events

    def _event(self, header: Row, text: bytes) -> None:
        generate = rb"(signal_generate): (?:sig=" + _INT + rb" errno=" + _INT + rb" code=" + _INT + rb" comm=)?"
        deliver = rb"(signal_deliver): (?:sig=" + _INT + rb" errno=" + _INT + rb" code=" + _INT + rb")?"
        for form in (generate, deliver):
            match = re.match(form, text)
            if match is not None:
                numbers = None if match[2] is None else _numbers(*match.groups()[1:])
                if numbers is None:
                    self.kinds["malformed"] += 1
                else:
                    self._open(
                        match[1].decode(), {**header, "sig": numbers[0], "code": numbers[2]}, text[match.end() :]
                    )
                return
        match = re.match(rb"mark_victim: pid=" + _INT + rb"?", text)
        if match is not None:
            target = None if match[1] is None else _int32(match[1])
            if target is None or text[match.end() : match.end() + 1].isdigit():
                self.kinds["malformed"] += 1
            else:
                self._open("mark_victim", {**header, "target": target}, text[match.end() :])
            return
        match = re.match(rb"(?:(sched_process_exit|sched_process_fork): comm=|(sched_process_exec): filename=)", text)
        if match is None:
            self.kinds["other"] += 1
        else:
            self._open((match[1] or match[2]).decode(), header, text[match.end() :])

    def _cgroup(self, header: Row, text: bytes) -> None:
        number = rb"(\d{1,18})"
        made = re.fullmatch(
            rb"cgroup_mkdir: root=" + number + rb" id=" + number + rb" level=" + number + rb" path=(.*)",
            text.removesuffix(b"\r"),
            re.DOTALL,
        )
        if made is not None:
            self._found("cgroup_mkdir", header, cgroup=_name(made[4]), cgroup_id=int(made[2]))
            return
        moved = re.match(
            rb"cgroup_attach_task: dst_root="
            + number
            + rb" dst_id="
            + number
            + rb" dst_level="
            + number
            + rb" dst_path=",
            text,
        )
        ways = []
        if moved is not None:
            rest = text[moved.end() :].rstrip(b" \t\r")
            ways = [
                (rest[: way.start()], pid, way[2])
                for way in re.finditer(rb"(?= pid=" + _INT + rb" comm=(.{0,15})\Z)", rest, re.DOTALL)
                if (pid := _int32(way[1])) is not None
            ]
        if moved is None or len(ways) != 1:
            self.kinds["malformed"] += 1
            return
        ((path, pid, comm),) = ways
        said = {"target": pid, "target_comm": _name(comm), "cgroup": _name(path), "cgroup_id": int(moved[2])}
        self._found("cgroup_attach_task", header, **said)

    # System calls

    def _syscall(self, header: Row, text: bytes) -> None:
        for name in (b"exit_group", b"exit"):
            if text.startswith(b"sys_" + name + b"("):
                match = re.fullmatch(rb"sys_\w+\(" + _ARGUMENT % b"error_code" + rb"\)" + _END, text)
                status = None if match is None else _hexadecimal(match[1])
                if status is None:
                    self.kinds["malformed"] += 1
                else:
                    self._found("sys_enter_" + name.decode(), header, status=status & 255)
                return
        match = re.match(rb"sys_(?:kill|tkill|tgkill)(?=\(| -> )", text)
        if match is None:
            self.kinds["other"] += 1
            return
        rest = text[match.end() :]
        first = (rb"\(" + _ARGUMENT % b"tgid" + rb", ") if match[0] == b"sys_tgkill" else rb"(\()"
        entered = re.fullmatch(first + _ARGUMENT % b"pid" + rb", " + _ARGUMENT % b"sig" + rb"\)" + _END, rest)
        returned = re.fullmatch(rb" -> " + _HEX + _END, rest)
        said: list[int | None] = [None]
        if entered is not None:
            tgid = 0 if entered[1] == b"(" else _hexadecimal(entered[1])
            said = [tgid, _hexadecimal(entered[2]), _hexadecimal(entered[3])]
        elif returned is not None:
            said = [_hexadecimal(returned[1])]
        if None in said:
            self.kinds["malformed"] += 1
        elif entered is not None:
            self._entered({**header, "name": match[0], "repeated": False, "target": said[1], "sig": said[2]})
        else:
            self._returned({**header, "name": match[0], "repeated": False, "ret": said[0]})

    def _entered(self, call: Row) -> None:
        self._call_over(call["tid"])
        if len(self._calls) >= _THREADS:
            self._call_over(next(iter(self._calls)))
        self._calls[call["tid"]] = call

    def _returned(self, call: Row) -> None:
        tid = call["tid"]
        first = self._calls.get(tid)
        if first is not None and first["repeated"] and (first["name"], first["ret"]) == (call["name"], call["ret"]):
            self.kinds["repeated"] += 1
            del self._calls[tid]
        elif first is None or first["name"] != call["name"] or _whole(first):
            self._call_over(tid)
            self._call(call)
        else:
            pid = call["pid"] if first["pid"] is None else first["pid"]
            comm = first["comm"] or call["comm"]
            self._calls[tid] = {**first, **call, "pid": pid, "comm": comm}

    def _told_by_the_program(self, tid: int, sig: int, target: int, ret: int) -> None:
        call = self._calls.get(tid)
        if call is None or call["repeated"]:
            return
        whole = _whole(call)
        if (call["sig"], call["target"], call.get("ret", ret)) == (sig, target, ret):
            self.kinds["repeated"] += 1 + whole
            del self._calls[tid]
            if not whole:
                self._calls[tid] = {**call, "ret": ret, "repeated": True}
        elif whole:
            self._call_over(tid)

    def _call_over(self, tid: int) -> None:
        call = self._calls.pop(tid, None)
        if call is not None and not call["repeated"]:
            self._call(call)

    def _call(self, call: Row) -> None:
        whole = _whole(call)
        said = {name: value for name, value in call.items() if name not in {"name", "repeated"}}
        self._row({"event": "kill" if whole else "kill_half", **said})
        self.kinds["kill" if whole else "half"] += 1 + whole


def _whole(call: Row) -> bool:
    return "sig" in call and "ret" in call
