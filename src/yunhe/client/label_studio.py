"""Items of a review as Label Studio tasks, and what was annotated there as judgements.

Source: Label Studio's JSON format for import and export of tasks (``data``, ``annotations``,
``predictions``; results of the control tag ``Choices``). Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args
from xml.sax.saxutils import quoteattr

from yunhe.client.wire.reviews import Item, Judgement, ReasonText, Verdict
from yunhe.kernel.errors import Finding, Invalid

FINDINGS_MAX = 20
"""Faults written out for one file; the others are counted."""
_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


def configuration(reasons: Sequence[ReasonText]) -> str:
    """The labelling interface to paste into a project's settings."""
    choices = "\n".join(
        f"    <Choice value={quoteattr(each.reason)} hint={quoteattr(each.text)}/>"
        for each in reasons
    )
    return f"""<View>
  <Text name="text" value="$text"/>
  <Choices name="verdict" toName="text" choice="single" required="true" showInLine="true">
    <Choice value="pass" hotkey="1"/>
    <Choice value="fail" hotkey="2"/>
  </Choices>
  <Choices name="reasons" toName="text" choice="multiple" visibleWhen="choice-selected"
           whenTagName="verdict" whenChoiceValue="fail">
{choices}
  </Choices>
</View>
"""


def tasks(review: str, items: Sequence[Item], said: Mapping[int, Judgement]) -> str:
    """The items as a file of tasks; those judged already carry an annotation."""
    return json.dumps(
        [_task(review, each, said.get(each.item)) for each in items], ensure_ascii=False, indent=1
    )


def _task(review: str, item: Item, said: Judgement | None) -> dict[str, object]:
    data = {"text": item.text, "review": review, "item": item.item, "label": item.label}
    annotations = [] if said is None else [{"result": _result(said), "was_cancelled": False}]
    earlier = [
        {
            "model_version": f"reviewer {number}",
            "result": _result(
                Judgement(item=item.item, verdict=each.verdict, reasons=each.reasons)
            ),
        }
        for number, each in enumerate(item.earlier, 1)
    ]
    return {"id": item.item, "data": data, "annotations": annotations, "predictions": earlier}


def _result(said: Judgement) -> list[dict[str, object]]:
    chosen = {"verdict": [said.verdict], **({"reasons": said.reasons} if said.reasons else {})}
    return [
        {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": choices}}
        for name, choices in chosen.items()
    ]


def judgements(content: bytes, *, review: str, name: str) -> list[Judgement]:
    """What a file of annotated tasks says; tasks without an annotation are left out.

    Predictions count for nothing: they are what others said. Errors: `Invalid`
    ``client.label_studio`` with every fault and the task it is in; then nothing of the file counts.
    """
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, list):
        raise _invalid(name, [Finding(name, "client.label_no_tasks")])
    findings: list[Finding] = []
    found: dict[int, Judgement] = {}
    for number, task in enumerate(read, 1):
        where = f"{name}: task {number}"
        try:
            said = _said(task, review)
            if said is not None and said.item in found:
                raise _Fault("client.label_twice")
        except _Fault as fault:
            findings.append(Finding(where, str(fault)))
            continue
        if said is not None:
            found[said.item] = said
    if findings:
        raise _invalid(name, findings)
    return list(found.values())


class _Fault(Exception):
    """Code of what is wrong with one task."""


def _said(task: object, review: str) -> Judgement | None:
    fields = task if isinstance(task, dict) else {}
    data = fields.get("data")
    if not isinstance(data, dict) or type(data.get("item")) is not int or data["item"] < 1:
        raise _Fault("client.label_task")
    if data.get("review") != review:
        raise _Fault("client.label_review")
    given = fields.get("annotations")
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise _Fault("client.label_task")
    counted = [each for each in given if not each.get("was_cancelled")]
    if len(counted) > 1:
        raise _Fault("client.label_several")
    return _chosen(data["item"], counted[0]) if counted else None


def _chosen(item: int, annotation: Mapping[str, object]) -> Judgement:
    chosen: dict[str, list[str]] = {"verdict": [], "reasons": []}
    for name, choices in _choices(annotation.get("result")):
        if name not in chosen:
            raise _Fault("client.label_choice")
        chosen[name] += choices
    [*verdicts] = [each for each in _VERDICTS if chosen["verdict"] == [each]]
    if not verdicts or (verdicts[0] == "fail") != bool(chosen["reasons"]):
        raise _Fault("client.label_choice")
    try:
        return Judgement(item=item, verdict=verdicts[0], reasons=chosen["reasons"])
    except ValueError:
        raise _Fault("client.label_choice") from None


def _choices(result: Any) -> Iterator[tuple[str, list[str]]]:  # noqa: ANN401 (as it was read)
    for one in result if isinstance(result, list) else [None]:
        each = one if isinstance(one, dict) else {}
        value = each.get("value")
        choices = value.get("choices") if isinstance(value, dict) else None
        if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
            raise _Fault("client.label_choice")
        yield str(each.get("from_name")), choices


def _invalid(name: str, findings: Sequence[Finding]) -> Invalid:
    shown = list(findings[:FINDINGS_MAX])
    if len(findings) > FINDINGS_MAX:
        more = (("count", len(findings) - FINDINGS_MAX),)
        shown.append(Finding(name, "client.label_more", more))
    return Invalid("client.label_studio", path=name, findings=shown)
