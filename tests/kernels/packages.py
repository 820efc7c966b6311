"""Packages: Debian's, of any suite and architecture; the system's apt is asked where its mirror is, and not changed."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class RefusedError(Exception):
    """What is needed cannot be fetched: the mirror does not answer, or there is none."""


class Suite:
    """One suite of Debian, for one architecture, as a machine sees it on which nothing is installed."""

    def __init__(self, name: str, architecture: str, folder: Path) -> None:
        """Take a release such as `bookworm`, and a folder for what apt keeps."""
        self.name = name
        self.architecture = architecture
        self._folder = folder / f"{name}-{architecture}"
        for inner in ("lists/partial", "archives/partial"):
            (self._folder / inner).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()
        self._conf = self._folder / "apt.conf"
        (self._folder / "sources.list").write_text(_source(name))
        self._conf.write_text(
            f'Dir::Etc::sourcelist "{self._folder}/sources.list";\n'
            'Dir::Etc::sourceparts "/dev/null";\n'
            f'Dir::State::lists "{self._folder}/lists";\n'
            f'Dir::State::status "{self._folder}/status";\n'
            f'Dir::Cache "{self._folder}";\n'
            f'APT::Architecture "{architecture}";\n'
            f'APT::Architectures "{architecture}";\n'
            'APT::Install-Recommends "false";\n'
            'APT::Sandbox::User "root";\n'
            'APT::Update::Error-Mode "any";\n'
            'Acquire::Languages "none";\n'
            'Acquire::Retries "3";\n'
        )
        updated = self._apt("update")
        if updated.returncode:
            raise RefusedError(f"apt cannot read Debian's {name}: {_reason(updated.stderr)}")

    def with_all_they_need(self, *names: str) -> list[Path]:
        """Fetch packages and what they depend on."""
        self._done("-y", "--download-only", "install", *names)
        versions = re.findall(r"^Inst (\S+) \((\S+)", self._done("-s", "install", *names), re.MULTILINE)
        return [self._archive(name, version) for name, version in versions]

    def kernel(self, wanted: str) -> Path:
        """Fetch the package that holds the kernel which a package such as `linux-image-amd64` depends on."""
        names = re.findall(r"^Inst (linux-\w+-\d\S*) \((\S+)", self._done("-s", "install", wanted), re.MULTILINE)
        # Since 7.x linux-image-VERSION depends on linux-binary-VERSION, which has the image.
        found = [one for one in names if one[0].startswith("linux-binary-")]
        found += [one for one in names if one[0].startswith("linux-image-")]
        name, version = found[0]
        if not self._archive(name, version).exists():
            self._done("download", name, cwd=self._folder / "archives")
        return self._archive(name, version)

    def _archive(self, name: str, version: str) -> Path:
        stem = f"{name.partition(':')[0]}_{version.replace(':', '%3a')}"
        found = list((self._folder / "archives").glob(f"{stem}_*.deb"))
        return found[0] if found else self._folder / "archives" / f"{stem}.deb"

    def _done(self, *words: str, cwd: Path | None = None) -> str:
        done = self._apt(*words, cwd=cwd)
        if done.returncode:
            raise RuntimeError(f"apt-get {' '.join(words)} of {self.name} failed: {_reason(done.stderr)}")
        return done.stdout

    def _apt(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "APT_CONFIG": str(self._conf), "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "-q", *words]
        return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)


def unpack(package: Path, folder: Path) -> None:
    """Unpack a package as dpkg does, into a folder whose own symbolic links stay; its scripts are not run."""
    files = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", folder], stdin=files.stdout, check=True)
    if files.wait():
        raise RuntimeError(f"{package} cannot be unpacked: delete it, and run this again")


def _source(suite: str) -> str:
    # Of the system's own sources, the one that its release comes from.
    release = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in told.stdout.splitlines():
        uri, name, component = line.split()
        if release and name == release[1] and component == "main" and _KEYS.exists():
            return f"deb [signed-by={_KEYS}] {uri} {suite} {component}\n"
    raise RefusedError("this machine has no source of Debian's packages: run this on Debian")


def _reason(said: str) -> str:
    lines = [line for line in said.splitlines() if line.startswith(("E:", "W:"))]
    return (lines or said.splitlines() or ["it does not say why"])[0]
