"""Scripts and verdicts: TOML files, and the service's answers by them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from attrs import fields
from PIL import Image

from ds_actors.detection.events import Level, ResultType, Sample
from ds_actors.sandbox import (
    JudgeVerdicts,
    MarkerVerdicts,
    MostSevere,
    ScriptedVerdicts,
    ScriptError,
    always_clear,
    load_script,
    paint_marker,
    parse_script,
)
from ds_actors.sandbox import script as script_module
from ds_actors.sandbox.faults import KINDS, CloseOnAccept, Drop, Refuse, Slow, TimedFault


def sample(participant: str = "alice", track: str = "TR_a", data: bytes = b"") -> Sample:
    return Sample(participant, track, 0, data)


def jpeg(share: float, size: tuple[int, int] = (240, 320)) -> bytes:
    picture = np.full((*size, 3), 110, np.uint8)
    out = io.BytesIO()
    Image.fromarray(paint_marker(picture, share) if share else picture).save(out, "JPEG", quality=75)
    return out.getvalue()


def numbers(verdicts: ScriptedVerdicts | MostSevere | MarkerVerdicts, sample: Sample, now: float = 0.0) -> list[int]:
    return [result.number for result in verdicts.judge(sample, now)]


def test_the_script_in_the_documentation_is_one() -> None:
    """The example in the module's docstring parses as its comments describe."""
    text = (script_module.__doc__ or "").partition("\n\n")[2]
    script = parse_script(text)
    assert script.default is Level.CLEAR
    (verdict,) = script.verdicts
    assert (verdict.level, verdict.participant, verdict.begins, verdict.ends) == (Level.ALERT, "alice", 5.0, 12.5)
    assert script.faults == (TimedFault(3.0, Refuse(403), 6.0),)


def test_the_last_entry_that_matches_rules() -> None:
    """By participant, track and time; from is included, until is not."""
    script = parse_script("""
        [[verdict]]
        level = "suspicious"
        [[verdict]]
        participant = "alice"
        from = 5
        until = 8
        level = "alert"
        message = "Face swap."
        [[verdict]]
        track = "TR_mute"
        level = "none"
        [[verdict]]
        track = "TR_many"
        level = "error"
        answers = 3
    """)
    verdicts = ScriptedVerdicts(script)
    assert numbers(verdicts, sample(), 4.999) == [ResultType.SUSPICIOUS]
    assert numbers(verdicts, sample(), 5.0) == [ResultType.ALERT]
    assert numbers(verdicts, sample(), 8.0) == [ResultType.SUSPICIOUS]
    assert numbers(verdicts, sample("bob"), 6.0) == [ResultType.SUSPICIOUS]
    assert numbers(verdicts, sample(track="TR_mute"), 6.0) == []
    assert numbers(verdicts, sample(track="TR_many")) == [ResultType.ERROR] * 3
    (answer,) = verdicts.judge(sample(), 6.0)
    assert (answer.participant, answer.track, answer.message) == ("alice", "TR_a", "Face swap.")


def test_where_a_script_says_nothing_the_other_verdicts_do() -> None:
    """The script's own default has precedence."""
    nothing = ScriptedVerdicts(parse_script(""), otherwise=JudgeVerdicts(lambda _s, _n: ResultType.ALERT))
    assert numbers(nothing, sample()) == [ResultType.ALERT]
    default = ScriptedVerdicts(parse_script('default = "unknown"'), otherwise=nothing)
    assert numbers(default, sample()) == [ResultType.UNKNOWN]


def test_faults_take_the_options_of_their_class() -> None:
    """A drop is a moment; the rest have a from and an until."""
    script = parse_script("""
        fault = [
            {kind = "drop", from = 2},
            {kind = "close", code = 4401, after = 1.5, until = 9},
            {kind = "slow", seconds = 3},
            {kind = "refuse", status = 429, retry_after = 7},
        ]
    """)
    assert script.faults == (
        TimedFault(2.0, Drop()),
        TimedFault(0.0, CloseOnAccept(4401, 1.5), 9.0),
        TimedFault(0.0, Slow(3)),
        TimedFault(0.0, Refuse(429, 7)),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("level = ", "not TOML"),
        (f"level = {'[' * 5_000}{']' * 5_000}", "nested 16 deep"),
        (f"level = {'[' * 17}{']' * 17}", "nested 16 deep"),
        (f"default{'.a' * 900} = 1", "nested 16 deep"),
        (f"latency = {'9' * 5_000}", "an integer may have 64 bits"),
        (f"latency = 0x{'f' * 5_000}", "an integer may have 64 bits"),
        ("latency = 9223372036854775808", "an integer may have 64 bits"),
        ("colour = 1", "'colour' is not known here; known are default, verdict, fault, service, judge, room"),
        ('default = "fine"', "default must be one of clear, suspicious"),
        ("verdict = 1", r"write each verdict as \[\[verdict\]\]"),
        ("[verdict]", r"write each verdict as \[\[verdict\]\]"),
        ("verdict = [1]", r"write each verdict as \[\[verdict\]\]"),
        ("[[verdict]]", "verdict 1: level is missing"),
        ('[[verdict]]\nlevel="clear"\n[[verdict]]\nlevel="allert"', "verdict 2: level must be one of .* not 'allert'"),
        ("[[verdict]]\nlevel=[]", "verdict 1: level must be one of"),
        ('[[verdict]]\nlevel="alert"\nform=3', "verdict 1: 'form' is not known here"),
        ('[[verdict]]\nlevel="alert"\nfrom="3"', "from must be a number of seconds, 0 or more, not '3'"),
        ('[[verdict]]\nlevel="alert"\nfrom=-1', "from must be a number of seconds"),
        ('[[verdict]]\nlevel="alert"\nfrom=nan', "from must be a number of seconds"),
        ('[[verdict]]\nlevel="alert"\nfrom=true', "from must be a number of seconds"),
        ('[[verdict]]\nlevel="alert"\nfrom=3\nuntil=3', r"until \(3\) must be after from \(3\)"),
        ('[[verdict]]\nlevel="alert"\nparticipant=7', "participant must be a text, not 7"),
        ('[[verdict]]\nlevel="alert"\nanswers=1001', "answers must be a whole number from 0 to 1000"),
        ('[[verdict]]\nlevel="alert"\nanswers=1.5', "answers must be a whole number"),
        ("[room]\nparticipants=10000\nmanipulated=10000\nmanipulated_every=1", "about 193,548 manipulations are more"),
        ("[room]\nparticipants=200\nmanipulated=200\nevades_fps=1", "about 120,000 manipulations are more"),
        ("[[fault]]", "fault 1: kind must be one of refuse, refuse_connections"),
        ("[[fault]]\nkind=[]", "fault 1: kind must be one of"),
        ('[[fault]]\nkind="drop"\nfrom=1\nuntil=2', "a drop happens at one moment"),
        ('[[fault]]\nkind="silence"\nseconds=2', "'seconds' is not known here; known are kind, from, until"),
        ('[[fault]]\nkind="slow"\nseconds="2"', "seconds must be from 0 to 86400, not '2'"),
        ('[[fault]]\nkind="refuse"\nstatus=101', "status must be from 300 to 599, not 101"),
        ('[[fault]]\nkind="refuse"\nstatus=401.5', "status must be a whole number"),
        ('[[fault]]\nkind="refuse"\nretry_after=true', "retry_after must be from 0 to 86400"),
        ('[[fault]]\nkind="close"\ncode=1006', "code 1006 may not be sent"),
    ],
)
def test_a_script_that_cannot_be_followed_says_where_and_why(text: str, says: str) -> None:
    """The error begins with the script's name and names entry, key and what was expected."""
    with pytest.raises(ScriptError, match=says) as raised:
        parse_script(text, name="mine.toml")
    assert str(raised.value).startswith("mine.toml: ")
    assert "\n" not in str(raised.value)


def test_an_error_is_short_whatever_the_value() -> None:
    """A value of a megabyte is shown by its beginning."""
    with pytest.raises(ScriptError) as raised:
        parse_script(f'default = "{"x" * 1_000_000}"')
    assert 100 < len(str(raised.value)) < 600


def test_a_script_file_that_cannot_be_read_is_an_error_of_the_script(tmp_path: Path) -> None:
    """A missing file, a folder, and a file that is not UTF-8."""
    (tmp_path / "latin.toml").write_bytes(b'default = "\xe9"')
    for name in ("nothing.toml", ".", "latin.toml"):
        with pytest.raises(ScriptError, match="cannot be read"):
            load_script(tmp_path / name)


def test_the_stand_in_finds_the_painted_patch_and_nothing_else() -> None:
    """No patch clear, a little suspicious, more alert; green or magenta alone is not a patch."""
    verdicts = MarkerVerdicts()
    for share, expected in [(0.0, ResultType.CLEAR), (0.025, ResultType.SUSPICIOUS), (0.12, ResultType.ALERT)]:
        assert numbers(verdicts, sample(data=jpeg(share))) == [expected], share
    for colour in [(20, 230, 20), (230, 20, 230)]:
        out = io.BytesIO()
        Image.new("RGB", (320, 240), colour).save(out, "JPEG")
        assert numbers(verdicts, sample(data=out.getvalue())) == [ResultType.CLEAR]


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (3, 40), (40, 15), (17, 33)])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_picture_smaller_than_the_patch_is_painted_as_far_as_it_goes(shape: tuple[int, int], share: float) -> None:
    """Of any size, and the given picture stays as it was."""
    grey = np.full((*shape, 3), 128, np.uint8)
    painted = paint_marker(grey, share)
    assert painted.shape == grey.shape
    assert (grey == 128).all()
    assert (painted != 128).any()


@pytest.mark.parametrize("cut", [0, 2, 300])
def test_what_is_no_picture_is_an_error_and_no_crash(cut: int) -> None:
    """Empty, cut short, or of another kind."""
    assert numbers(MarkerVerdicts(), sample(data=jpeg(0.0)[:cut])) == [ResultType.ERROR]
    png = io.BytesIO()
    Image.new("RGB", (8, 8)).save(png, "PNG")
    assert numbers(MarkerVerdicts(), sample(data=png.getvalue())) == [ResultType.ERROR]


def test_a_picture_that_only_claims_to_be_huge_is_an_error() -> None:
    """The size in the header is looked at before a single pixel is decoded."""
    small = jpeg(0.0)
    at = small.index(b"\xff\xc0") + 5
    for side in (b"\x20\x00", b"\xff\xff"):
        huge = small[:at] + side * 2 + small[at + 4 :]
        assert numbers(MarkerVerdicts(), sample(data=huge)) == [ResultType.ERROR]


def test_of_several_verdicts_the_most_severe_rules() -> None:
    """No answer is the least severe; of two alike the earlier part's counts."""
    clear = JudgeVerdicts(always_clear)
    silent = JudgeVerdicts(lambda _s, _n: None)
    alert = JudgeVerdicts(lambda _s, _n: ResultType.ALERT)
    assert numbers(MostSevere([clear, alert, silent]), sample()) == [ResultType.ALERT]
    assert numbers(MostSevere([silent, clear]), sample()) == [ResultType.CLEAR]
    assert numbers(MostSevere([silent]), sample()) == []
    assert numbers(MostSevere([]), sample()) == []


ROOT = Path(__file__).parents[2]


def test_the_example_is_a_script() -> None:
    """The documented script is valid."""
    script = load_script(ROOT / "examples" / "sandbox.toml")
    assert [verdict.level for verdict in script.verdicts] == [Level.SUSPICIOUS, Level.ALERT]
    assert [type(fault.fault) for fault in script.faults] == [Drop, Refuse]


def test_the_documentation_names_each_fault_and_its_options() -> None:
    """Each row of its table lists the kind and the fields of its class."""
    rows = [
        line.split("|")[1:3] for line in (ROOT / "docs" / "sandbox.md").read_text("utf-8").splitlines() if "|" in line
    ]
    said = {kind.strip(" `"): {word.strip(" `") for word in options.split(",")} - {""} for kind, options in rows[2:]}
    assert said == {kind: {option.name for option in fields(fault)} for kind, fault in KINDS.items()}
