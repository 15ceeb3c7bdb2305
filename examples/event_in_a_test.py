"""Gives an agent's callback an alert, as a test does: no room and no service take part."""

import asyncio

from ds_actors.detection import Level, ResultEvent, ResultType

asked_to_verify: list[str] = []


async def on_event(event: ResultEvent) -> None:
    """Stands for your own callback."""
    if event.level == Level.ALERT:
        asked_to_verify.append(event.participant_id)


def test_an_alert_leads_to_a_question() -> None:
    event = ResultEvent(
        ResultType.ALERT,
        participant_id="alice",
        track_id="TR_1",
        message="The mouth does not follow the voice.",
        timestamp_ms=0,
        previous_level=Level.CLEAR,
    )
    asyncio.run(on_event(event))
    assert asked_to_verify == ["alice"]


if __name__ == "__main__":
    test_an_alert_leads_to_a_question()
    print(*asked_to_verify)  # prints alice
