"""The programs of the images: options, output and messages, as BusyBox 1.35 has them."""

from __future__ import annotations

import pytest

from swarmlab.programs.base_files import base_files
from swarmlab.programs.file_system import FOLDER, TREE_BYTES_MAX, File, FileError, MountPoint, User
from swarmlab.programs.interface import Site
from swarmlab.simulation import MINUTE, S
from tests.test_shell import container, shell

__all__ = ["container"]

LINES = "printf 'b 2\\na 10\\nb 2\\n' > /f; "


@pytest.mark.parametrize(
    ("text", "output", "code"),
    [
        (LINES + "head -n 1 /f; tail -n1 /f; head -1 < /f; tail -n +3 /f", "b 2\n" * 4, 0),
        (LINES + "sort /f | uniq -c", "      1 a 10\n      2 b 2\n", 0),
        (LINES + "sort -u /f; sort -rnk2 /f", "a 10\nb 2\na 10\nb 2\nb 2\n", 0),
        (LINES + "cut -d ' ' -f 2 /f; cut -c1 /f", "2\n10\n2\nb\na\nb\n", 0),
        (LINES + "tr a-z A-Z < /f; tr -d '\\n' < /f", "B 2\nA 10\nB 2\nb 2a 10b 2", 0),
        (LINES + "sed 's/b \\(.\\)/<\\1&>/' /f; sed -n 2p /f; sed /b/d /f",
         "<2b 2>\na 10\n<2b 2>\na 10\na 10\n", 0),
        (LINES + "sed -E 's/([0-9])+/N/g' /f; sed s/x", "b N\na N\nb N\n"
         "sed: unsupported command s/x\n", 1),
        (LINES + "awk '{print $2, $1}' /f; awk '/a/ {print NR\":\"$NF}' /f",
         "2 b\n10 a\n2 b\n2:10\n", 0),
        ("echo a:b:c | awk -F: '{print $3}'; awk 'BEGIN{x=1}' /etc/hostname",
         "c\nawk: this simulation knows "
         "only /pattern/ or NR==n and {print $1, $2}\n", 1),
        (LINES + "wc -l /f; wc < /f; wc -c /f /nosuch", "3 /f\n        3         6        13\n"
         "wc: /nosuch: No such file or directory\n13 /f\n", 1),
        (LINES + "grep -n b /f; grep -ci A /f; grep -v b /f; grep -q zz /f",
         "1:b 2\n3:b 2\n1\na 10\n", 1),
        ("echo 'a|b' | grep 'a|b'; echo ab | grep -E 'x|b'; echo ab | grep 'x\\|b'",
         "a|b\nab\nab\n", 0),
        ("mkdir -p /d/e; echo x > /d/e/f; echo y > /d/g; grep -r x /d; cd /d; grep -rl y .; "
         "grep y /d/*", "/d/e/f:x\n./g\ngrep: /d/e: Is a directory\n/d/g:y\n", 2),
        ("seq 3; seq 2 2 6; seq 3 -1 2", "1\n2\n3\n2\n4\n6\n3\n2\n", 0),
        ("echo -n hi | base64; echo aGk= | base64 -d; echo; echo -e 'a\\tb'", "aGk=\nhi\na\tb\n",
         0),
        ("printf '%s-%03d %x\\n' a 5 255; printf 100%%", "a-005 ff\n100%", 0),
        ("seq 3 | xargs echo; seq 3 | xargs -n2 echo; seq 2 | xargs -I{} echo '<{}>'",
         "1 2 3\n1 2\n3\n<1>\n<2>\n", 0),
        ("mkdir /d; touch /d/a.txt /d/b; find /d; find /d -name '*.txt' -type f; "
         "find /d -type f -exec rm {} ';'; find /d; find /no",
         "/d\n/d/a.txt\n/d/b\n/d/a.txt\n/d\nfind: /no: No such file or directory\n", 0),
        ("echo hi | tee /a /b; cat /a /b; mkdir /d; cp /a /d; mv /b /d/c; ls / | grep -c '^b$'; "
         "ls /d",
         "hi\nhi\nhi\na\nc\n", 0),
        ("cp /nosuch /x; mkdir /d; cp -r /d /e; ls -d /e; cp /d /f; mv /nosuch /x",
         "cp: can't stat '/nosuch': No such file or directory\n/e\n"
         "cp: can't stat '/d': Is a directory\nmv: can't rename '/nosuch': No such file or "
         "directory\n", 1),
        ("mkdir /a/b; mkdir -p /a/b; mkdir /a; rmdir /a; rm /a; rm -r /a; ls /a",
         "mkdir: can't create directory '/a/b': No such file or directory\n"
         "mkdir: can't create directory '/a': File exists\nrmdir: '/a': Directory not empty\n"
         "rm: can't remove '/a': Is a directory\nls: /a: No such file or directory\n", 1),
        ("touch /nosuch/x; cat /etc; rm -f /nosuch; rm /run/secrets/pw; rm /nosuch",
         "touch: /nosuch/x: No such file or directory\ncat: can't open '/etc': Is a directory\n"
         "rm: can't remove '/run/secrets/pw': Resource busy\n"
         "rm: can't remove '/nosuch': No such file or directory\n", 1),
        ("cd /tmp; touch b .h; mkdir a; ls; ls -A; ls b a /etc/hostname", "a\nb\n.h\na\nb\n"
         "/etc/hostname\nb\n\na:\n", 0),
        ("ls -l /run/secrets; chmod 751 /tmp; ls -ld /tmp; chmod u-w,o=r /tmp; ls -ld /tmp; "
         "chmod 9 /",
         "total 4\n-r--------    1 0        0                2 Oct 28 12:00 pw\n"
         "drwxr-x--x    2 0        0             4096 Oct 28 12:00 /tmp\n"
         "dr-xr-xr--    2 0        0             4096 Oct 28 12:00 /tmp\nchmod: invalid mode "
         "'9'\n", 1),
        ("ls -z", "ls: invalid option -- 'z'\nBusyBox multi-call binary.\n\n"
         "Usage: ls [-1aAdlRh] [ARG]...\n", 1),
        ("head -n", "head: option requires an argument -- 'n'\nBusyBox multi-call binary.\n\n"
         "Usage: head [-n] [ARG]...\n", 1),
        ("test -d /etc -a ! -f /nosuch && [ 1 = 2 -o -w /tmp ] && [[ -x /tmp ]] && echo yes",
         "yes\n", 0),
        ("df | head -1; mount | grep secrets", "Filesystem           1K-blocks      Used Available "
         "Use% Mounted on\ntmpfs on /run/secrets/pw type tmpfs (ro,relatime)\n", 0),
    ],
)  # fmt: skip
def test_programs_behave_as_in_busybox(container, text, output, code):
    assert shell(container, text) == (output, code)


def test_a_container_has_users_groups_owners_and_modes(container):
    container.files = base_files("box", ["redis"])
    for user, text, output in [
        (User(1000, 1000), "id -G; id -Gn; id -G root; id -u nosuch", "1000\nredis\n0\n"
         "id: unknown user nosuch\n"),
        (User(1000, 1000), "id; whoami", "uid=1000(redis) gid=1000(redis) groups=1000(redis)\n"
         "redis\n"),
        (User(2000, 3000), "id; touch /x; whoami; cd /tmp; touch y; ls -l y; chmod 600 /etc/passwd",
         "uid=2000 gid=3000 groups=3000\ntouch: /x: Permission denied\nwhoami: unknown uid 2000\n"
         "-rw-r--r--    1 2000     3000             0 Oct 28 12:00 y\n"
         "chmod: /etc/passwd: Operation not permitted\n"),
        (User(), "id -un; id -g redis; ls -l /etc/hostname; cat /etc/hostname", "root\n1000\n"
         "-rw-r--r--    1 root     root             4 Oct 28 12:00 /etc/hostname\nbox\n"),
        (User(1000, 1000), "echo x > /tmp/y; rm /etc/passwd; mkdir /d; cat /tmp/y",
         "sh: can't create /tmp/y: Permission denied\nrm: can't remove '/etc/passwd': "
         "Permission denied\nmkdir: can't create directory '/d': Permission denied\n"),
    ]:  # fmt: skip
        container.output.clear()
        container.run("sh", "-c", text, uid=user.uid, gid=user.gid)
        assert container.text == output


def test_a_private_folder_shuts_out_other_users(container):
    text = "mkdir -m 700 /d; echo x > /d/f; chmod 777 /d/f"
    container.run("sh", "-c", text)
    container.run("sh", "-c", "cat /d/f; ls /d; cd /d", uid=5)
    assert container.text == (
        "cat: can't open '/d/f': Permission denied\nls: /d: Permission denied\n"
        "cd: Permission denied\n"
    )


@pytest.mark.parametrize(("uid", "gid", "allowed"), [(7, 1, True), (1, 8, True), (1, 1, False)])
def test_a_file_is_for_its_owner_its_group_or_all(container, uid, gid, allowed):
    container.files["/secret"] = File(b"s", 0o440, 7, 8)
    container.run("cat", "/secret", uid=uid, gid=gid)
    assert (container.text == "s") == allowed


def test_a_mounted_tree_is_shared_and_may_be_read_only(container):
    """A volume of two containers, one of which may only read it."""
    volume = {"": FOLDER}
    container.files.mount(MountPoint("volume", "v", "/data"), volume)
    container.files.mount(MountPoint("volume", "v", "/copy", read_only=True), volume)
    failed = "sh: can't create /copy/y: Read-only file system\n"
    output = f"x\n{failed}rm: can't remove '/data': Resource busy\n"
    text = "echo x > /data/f; cat /copy/f; echo y > /copy/y; rm -r /data"
    assert shell(container, text) == (output, 1)
    assert volume == {"": FOLDER}
    volume["/later"] = File(b"z")
    container.output.clear()
    assert shell(container, "cat /data/later") == ("z", 0)


def test_a_file_system_is_small_and_bounded(container):
    text = "while echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx$(cat /f) >> /f; do "
    "true; done"
    shell(container, text, limit_ns=5 * S)
    assert sum(len(file.data) for file in container.files.values()) <= TREE_BYTES_MAX
    for number in range(2000):
        container.run("touch", f"/file{number}")
    assert container.text.endswith("touch: /file1999: No space left on device\n")
    with pytest.raises(FileError, match="too long"):
        container.files.write("/x" * 1000, b"", User())


def test_tail_follows_a_file(container):
    shell(container, "echo a > /log; (sleep 5; echo b >> /log) & tail -f /log", limit_ns=9 * S)
    assert (container.text, container.code) == ("a\nb\n", None)


# -- servers and their clients -----------------------------------------------------------------
def serving(container, paths=("/", "/health"), **site) -> None:
    container.site = Site(paths, **site)
    container.process = container.run("nginx", first=True)
    container.output.clear()


@pytest.mark.parametrize(
    ("text", "output", "code"),
    [
        ("curl -fs localhost; wget -qO- localhost:8080/health", "ok\nok\n", 0),
        ("curl -f localhost/no", "curl: (22) The requested URL returned error: 404\n", 22),
        ("curl localhost/no; curl -so /dev/null -w '%{http_code}\\n' box/no", "Not Found\n404\n",
         0),
        ("wget -q localhost/no", "wget: server returned error: HTTP/1.1 404 Not Found\n", 1),
        ("wget localhost/health; cat /health", "Connecting to localhost (127.0.0.1:80)\nok\n", 0),
        ("curl -f nosuch", "curl: (6) Could not resolve host: nosuch\n", 6),
        ("wget -q nosuch", "wget: bad address 'nosuch:80'\n", 1),
        ("nc -zv localhost 80 && nc -z nosuch 80", "localhost (127.0.0.1:80) open\n"
         "nc: bad address 'nosuch:80'\n", 1),
        ("nslookup box", "Server:\t\t127.0.0.11\nAddress:\t127.0.0.11:53\n\n"
         "Non-authoritative answer:\nName:\tbox\nAddress: 127.0.0.1\n\n", 0),
        ("dig +short box; nslookup db | tail -n 2", "127.0.0.1\n** server can't find db: "
         "NXDOMAIN\n\n", 0),
        ("ping -c 1 localhost | head -n 1; ping db", "PING localhost (127.0.0.1): 56 data bytes\n"
         "ping: bad address 'db'\n", 1),
        ("redis-cli set a 1; redis-cli incr a; redis-cli get a; redis-cli keys '*'; redis-cli "
         "get b; "
         "redis-cli foo; redis-cli", "OK\n2\n2\na\n\nERR unknown command 'foo'\nPONG\n", 0),
        ("pg_isready && pg_isready -h db", "localhost:5432 - accepting connections\nno response\n",
         2),
    ],
)  # fmt: skip
def test_clients_say_what_the_server_s_state_is(container, text, output, code):
    serving(container)
    container.code = None
    assert shell(container, text) == (output, code)


@pytest.mark.parametrize(
    ("text", "output", "code"),
    [
        ("curl -f localhost", "curl: (7) Failed to connect to localhost port 80: "
         "Could not connect to server\n", 7),
        ("wget localhost", "Connecting to localhost (127.0.0.1:80)\n"
         "wget: can't connect to remote host (127.0.0.1): Connection refused\n", 1),
        ("nc -z 127.0.0.1 80", "nc: can't connect to remote host (127.0.0.1): Connection "
         "refused\n", 1),
        ("redis-cli ping", "Could not connect to Redis at 127.0.0.1:6379: Connection refused\n", 1),
        ("mysqladmin ping", "no response\n", 1),
    ],
)  # fmt: skip
def test_no_client_succeeds_where_no_server_runs(container, text, output, code):
    assert shell(container, text) == (output, code)


def test_a_server_that_does_not_speak_http_sends_no_reply(container):
    serving(container, paths=())
    container.code = None
    assert shell(container, "curl localhost") == ("curl: (52) Empty reply from server\n", 52)


def test_a_web_server_serves_the_files_of_its_folder(container):
    """`httpd` those of any folder; an image's server those that its image names."""
    text = "mkdir /www; echo hi > /www/index.html; httpd -p 8000 -h /www; sleep 100"
    container.process = container.run("sh", "-c", text, first=True)
    container.run("sh", "-c", "wget -qO- localhost:8000; wget -q localhost:8000/no; wget -q box")
    container.machine.simulation.run_until(1 * S)
    assert container.text == (
        "hi\nwget: server returned error: HTTP/1.1 404 Not Found\n"
        "wget: can't connect to remote host (127.0.0.1): Connection refused\n"
    )


def test_a_ping_goes_on_until_it_is_ended(container):
    process = container.run("ping", "localhost")
    container.machine.simulation.run_until(1 * MINUTE)
    assert container.text.count("64 bytes from 127.0.0.1") == 61
    process.signal("TERM")
    assert container.code == 143
