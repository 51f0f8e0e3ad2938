"""The dataset as Croissant JSON-LD with fields of the Responsible AI extension.

Source: MLCommons, Croissant format specification 1.0 and Croissant RAI specification 1.0. Parquet
parts can be read record by record; JSON lines packed with Zstandard are named with their digests
only, because readers of Croissant do not unpack them.
"""

from __future__ import annotations

from collections.abc import Sequence

from yunhe.corpus.datasheet.facts import Facts, Found, ReviewLine
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.language import text

PARQUET = "application/x-parquet"
"""Media type as readers of Croissant know it."""
JSONL_ZST = "application/zstd"
"""Of JSON lines packed with Zstandard."""
FIELDS = {
    "id": "Name of the document, unique in the dataset.",
    "text": "The document, personal details masked (de-identified).",
    "label": "Its class, where the source had one.",
    "group": "The id of the first of the documents like it: keep groups together in a split.",
    "source": "The file it came from.",
}
"""Columns of the dataset and what they hold."""
_CONTEXT: JsonObject = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def describe(facts: Facts, *, columns: Sequence[str]) -> JsonObject:
    """The description; ``columns`` are those that the Parquet files have, in order.

    File addresses are relative to where the description lies.
    """
    packed = [name for name, _, _ in facts.outputs if not name.endswith(".parquet")]
    files: list[JsonObject] = [_file(*each) for each in facts.outputs]
    readable = [name for name, _, _ in facts.outputs if name.endswith(".parquet")]
    described: dict[str, object] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.0",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": facts.name,
        "description": _description(facts),
        "license": facts.licence or "not stated",
        "version": "1.0.0",
        "citeAs": facts.name,
        "isLiveDataset": False,
        **({"datePublished": facts.issued_at[:10]} if facts.issued_at else {}),
        **({"creator": {"@type": "sc:Organization", "name": facts.holder}} if facts.holder else {}),
        **_responsible(facts),
    }
    if readable and not packed:
        folder, _, _ = readable[0].rpartition("/")
        parts: JsonObject = {
            "@type": "cr:FileSet",
            "@id": "documents",
            "name": "documents",
            "description": "Every part of the dataset.",
            "encodingFormat": PARQUET,
            "includes": f"{folder}/*.parquet" if folder else "*.parquet",
        }
        described["distribution"] = [*files, parts]
        described["recordSet"] = [_records(columns)]
    else:
        described["distribution"] = files
    return described  # type: ignore[return-value]


def _file(name: str, digest: str, size_bytes: int | None) -> JsonObject:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": PARQUET if name.endswith(".parquet") else JSONL_ZST,
        "sha256": digest.removeprefix("sha256:"),
        **({} if size_bytes is None else {"contentSize": f"{size_bytes} B"}),
    }


def _records(columns: Sequence[str]) -> JsonObject:
    fields: list[JsonObject] = [
        {
            "@type": "cr:Field",
            "@id": f"document/{column}",
            "name": column,
            "description": FIELDS.get(column, column),
            "dataType": "sc:Text",
            "source": {"fileSet": {"@id": "documents"}, "extract": {"column": column}},
        }
        for column in columns
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "document",
        "name": "document",
        "description": "One record for each document.",
        "key": {"@id": "document/id"},
        "field": fields,
    }


def _description(facts: Facts) -> str:
    said = (
        f"{facts.documents_out} of {facts.documents_in} documents, cleansed with the profile"
        f" {facts.profile or 'unknown'}. The text is de-identified (去标识化): personal details"
        " that rules recognise were masked; with other information a person may still be"
        " recognised."
    )
    return said + (" Synthetic: every text was made by a generator." if facts.synthetic else "")


def _responsible(facts: Facts) -> dict[str, object]:
    steps = [f"{step.name} version {step.version}" for step in facts.steps]
    dropped = [f"{reason}: {count} documents" for _, reason, count in facts.dropped]
    said: dict[str, object] = {
        "rai:dataCollection": _collected(facts),
        "rai:dataCollectionType": "Synthetic data" if facts.synthetic else "Existing datasets",
        "rai:dataCollectionRawData": [
            f"{each.name or 'input'} {each.digest}" for each in facts.inputs[:100]
        ],
        "rai:dataPreprocessingProtocol": [*steps, f"pipeline {facts.pipeline}"],
        "rai:dataManipulationProtocol": dropped or ["no document was dropped"],
        "rai:personalSensitiveInformation": _personal(facts),
        "rai:dataLimitations": [*(text(code, "en") for code in facts.limits), *_risks(facts)],
    }
    if facts.reviews:
        checks = [_checked(each) for each in facts.reviews]
        said["rai:dataAnnotationAnalysis"] = checks
        said["rai:dataReviewProtocol"] = checks
    return said


def _collected(facts: Facts) -> str:
    terms = "; ".join(f"{name}: {value}" for name, value in sorted(facts.terms.items()))
    holder, licence = facts.holder or "not stated", facts.licence or "not stated"
    return f"held by {holder}, licence {licence}" + (f" ({terms})" if terms else "")


def _personal(facts: Facts) -> list[str]:
    masked = [
        f"{text(f'corpus.type.{kind}', 'en')}: {spans} masked in {documents} documents"
        for kind, spans, documents in facts.details
    ]
    return [
        "de-identified (去标识化); residual risk remains",
        *masked,
        *(_recall(each) for each in facts.residual),
    ]


def _risks(facts: Facts) -> list[str]:
    """Whose words were looked for, and the classes whose words stayed in."""
    risks = facts.risks
    if risks is None:
        return []
    said = f"{risks.entries} risk words in {risks.covered} of {len(risks.lines)} classes"
    own = "the sample that comes with Yunhe" if risks.sample else "an operator's library"
    noticed = [
        f"class {line.risk} ({line.names['en']}): words of it in {line.noticed} documents let"
        " through"
        for line in risks.lines
        if line.noticed
    ]
    return [f"{said}, {own} {risks.library}", *noticed]


def _recall(each: Found) -> str:
    kind = text(f"corpus.type.{each.name}", "en")
    return (
        f"{kind}: {each.found} of {each.of} planted probes found"
        f" (95 % interval {each.low:.3f} to {each.high:.3f})"
    )


def _checked(each: ReviewLine) -> str:
    kind = "by people" if each.kind == "manual" else "by rules"
    if not each.result:
        return f"check {kind}, {each.items} items: {each.state}"
    share, verified = each.result["share"], each.result["verified"]
    return (
        f"check {kind} against {each.result['standard']}"
        f"{'' if verified else ' (figures not compared with the official text)'}:"
        f" {share['found']} of {share['of']} items passed"
        f" (95 % interval {share['low']} to {share['high']})"
    )
