"""Checks a receipt of Yunhe on any machine, offline: this one file, Python 3.11 and `cryptography`.

    python verifier.py RECEIPT --trust KEYFILE [--checkpoints OUTSIDE_FILE] [--json] [--lang en|zh]

Exit status: 0 proved; 1 not proved; 2 a file cannot be read or the command is wrong.
Source: RFC 6962 §2.1 (tree), RFC 9162 §2.1.3 and §2.1.4 (proofs), C2SP signed-note and
tlog-checkpoint (texts), RFC 8785 without floats (bytes of records and receipts).
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "yunhe.receipt/1"
"""First field of every receipt this file understands."""
Tree = tuple[int, bytes]  # size and root
_BYTES_MAX = 16 << 20  # longest receipt looked at

# A line a kind: names, links (role:kind). Indented: what must agree, role.role.field|at_us|@role.
_TABLE = """
data.source|data source|数据来源|
data.source_review|decision on a source|来源审查|
data.certificate|dataset certificate|数据集证书|source:data.source
  input_digest = source.digest; source.holder = usage.organisation
  input_digest in usage.input_digests; output_digest in usage.output_digests
data.review|review of a dataset|数据集审核|certificate:data.certificate
  dataset_digest = certificate.output_digest
data.listing|listing|数据挂牌|certificate:data.certificate
  dataset_digest = certificate.output_digest
data.grant|data grant|数据授权|listing:data.listing
  dataset_digest = listing.dataset_digest; policy_digest = listing.policy_digest
evaluation.split|train and held-out split|训练与留出划分|grant:data.grant
  dataset_digest = grant.dataset_digest; at_us <= grant.expires_at_us
compute.decision|decision on an application|算力申请决定|
compute.award|compute award|算力额度|
compute.weight|weight in the queue|排队权重|
identity.city|city of an organisation|机构所属城市|
compute.usage|metered compute|算力用量|award:compute.award
  organisation = award.organisation
compute.invoice|invoice|账单|
compute.payable|statement to a provider|应付对账单|
compute.correction|correction of a charge|计费更正|usage:compute.usage
  organisation = usage.organisation; provider = usage.provider; unit = usage.unit
model.version|model version|模型版本|usage:compute.usage split:evaluation.split
  model_digest in usage.output_digests; train_digest in usage.input_digests
  train_digest = split.train_digest; @split = usage.@input; usage.organisation = split.grant.buyer
evaluation.run|evaluation|评测|model:model.version split:evaluation.split
  model_digest = model.model_digest; heldout_digest = split.heldout_digest; @split = model.@split
governance.risk|risk grading|风险等级|model:model.version
  model_digest = model.model_digest
governance.approval|approval|审批|model:model.version evaluation:evaluation.run risk:governance.risk
  model_digest = model.model_digest; @model = evaluation.@model; @model = risk.@model
governance.release|release|发布|model:model.version evaluation:evaluation.run+
  risk:governance.risk approval_1:governance.approval approval_2:governance.approval
  model_digest = model.model_digest; @model = approval_1.@model; @model = approval_2.@model
  @evaluation = approval_1.@evaluation; @evaluation = approval_2.@evaluation
  @risk = approval_1.@risk; @risk = approval_2.@risk; approval_1.approver != approval_2.approver
  approval_1.decision is approve; approval_2.decision is approve; approval_1.role != approval_2.role
  at_us <= approval_1.expires_at_us; at_us <= approval_2.expires_at_us; evaluation.gate is passed
serving.deployment|deployment|部署|release:governance.release
  model_digest = release.model_digest; at_us <= release.valid_until_us
serving.answer|answer|回答|deployment:serving.deployment
  model_digest = deployment.model_digest; at_us <= deployment.release.approval_1.expires_at_us
  at_us <= deployment.release.valid_until_us; at_us <= deployment.release.approval_2.expires_at_us
key.rotated|change of the signing key|签名密钥更换|
""".replace("+\n", "")

REASONS: Mapping[str, tuple[str, str]] = {
    "malformed": ("not of the expected form", "格式不正确"),
    "not_canonical": ("the bytes are not the ones that were issued", "字节与签发时不一致"),
    "not_trusted": ("signed by a key you do not trust", "签名密钥不在信任文件中"),
    "signature": ("the signature is wrong", "签名错误"),
    "rotation": ("the change of the signing key does not hold", "签名密钥更换不成立"),
    "outside_differs": ("the outside place holds another history", "外部留存的历史与此不同"),
    "outside_unknown": ("the outside place lacks this checkpoint", "外部留存中没有该检查点"),
    "not_in_log": ("not in the log that was signed", "不在已签名的日志中"),
    "content": ("the content differs from what was logged", "内容与入账时不一致"),
    "erased": ("was logged; its content has been erased since", "曾入账，内容其后已被删除"),
    "missing": ("the receipt lacks this record", "凭证缺少这条记录"),
    "link": ("a link is missing or leads to the wrong record", "关联缺失或指向了错误的记录"),
    "rule": ("a rule of the chain does not hold", "不符合责任链规则"),
    "expired": ("no longer valid at that time", "当时已经失效"),
}
"""Reason code → sentence in English and 中文."""


class Rejected(Exception):
    """Why something proves nothing: a code of `REASONS`, and what it is about."""


def _rule(block: str) -> tuple[str, tuple[list[str], dict[str, str], list[list[str]]]]:
    header, *lines = block.split("\n")
    kind, *names, links = (cell.strip() for cell in header.split("|"))
    checks = [check.split() for line in lines for check in line.split(";")]
    return kind, (names, dict(link.split(":") for link in links.split()), checks)


CHAIN = dict(_rule(block) for block in re.split(r"\n(?=\S)", _TABLE.strip()))
"""Kind → names in English and 中文, links it must have (role → kind), what must agree along."""


@dataclass(frozen=True, slots=True)
class LinkVerdict:
    """The judgement on one record, or on one signed checkpoint."""

    role: str
    """What it is to the record that links to it; ``subject`` for the one that was asked about."""
    kind: str
    """Kind of record (the expected one where the content is gone); ``checkpoint`` for a seal."""
    subject: str
    """Id of what the record is about; the log's name for a seal."""
    ok: bool
    """Whether everything that concerns it holds."""
    reason: str = ""
    """A code of `REASONS`; empty when it holds."""
    detail: str = ""
    """Which rule, role, key, size or reference it is about."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on a receipt."""

    ok: bool
    """Whether every seal and every link holds."""
    links: tuple[LinkVerdict, ...]
    """One for each record, the subject first; none when the seal fails before."""
    seal: LinkVerdict
    """The judgement on the whole; where it holds, its detail is the signed size and time."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (RFC 6962 §2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def record_hash(salt: bytes, record: object) -> bytes:
    """Hash of a leaf (RFC 6962 §2.1); its data is a salted hash of the record, nothing else."""
    return hashlib.sha256(b"\x00" + hashlib.sha256(salt + canonical(record)).digest()).digest()


def _climb(node: bytes, proof: Sequence[bytes], *, path: int, inner: int, old: bool) -> bytes:
    for height, sibling in enumerate(proof):
        if height >= inner or path >> height & 1:
            node = node_hash(sibling, node)
        elif not old:  # what stands to the right is not part of the old tree
            node = node_hash(node, sibling)
    return node


def is_included(leaf: bytes, index: int, tree: Tree, proof: Sequence[bytes]) -> bool:
    """Whether ``leaf`` stands at ``index`` in the tree of this size and root (RFC 9162 §2.1.3)."""
    inner = (index ^ (tree[0] - 1)).bit_length()
    if not 0 <= index < tree[0] or len(proof) != inner + (index >> inner).bit_count():
        return False
    return _climb(leaf, proof, path=index, inner=inner, old=False) == tree[1]


def is_extension(old: Tree, new: Tree, proof: Sequence[bytes]) -> bool:
    """Whether the tree ``new`` (size, root) begins with the tree ``old`` (RFC 9162 §2.1.4)."""
    if not 0 < old[0] < new[0]:
        return old == new and not proof
    last, shift = old[0] - 1, (old[0] & -old[0]).bit_length() - 1
    inner = (last ^ (new[0] - 1)).bit_length() - shift
    nodes = list(proof) if old[0] & last else [old[1], *proof]
    if len(nodes) != 1 + inner + (last >> (inner + shift)).bit_count():
        return False
    first, rest, path = nodes[0], nodes[1:], last >> shift
    roots = [_climb(first, rest, path=path, inner=inner, old=is_old) for is_old in (True, False)]
    return roots == [old[1], new[1]]


def canonical(value: object) -> bytes:
    """The one byte string of a JSON value: RFC 8785 where there are no floats or non-ASCII keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def key_text(name: str, public: bytes) -> str:
    """A key as the note format writes it: ``name+hash+base64(0x01 || Ed25519 public key)``."""
    typed = b"\x01" + public
    digest = hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()
    return f"{name}+{digest[:8]}+{base64.b64encode(typed).decode()}"


def read_trust(text: str) -> dict[str, bytes]:
    """Key id (``name+hash``) → public key, from lines of `key_text`; ``#`` starts a remark."""
    keys = {}
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        found = re.fullmatch(r"(([!-*,-~]+)\+[0-9a-f]{8})\+([A-Za-z0-9+/]{44})", line)
        public = base64.b64decode(found[3])[1:] if found else b""
        if not found or key_text(found[2], public) != line:
            raise Rejected("malformed", line[:80])
        keys[found[1]] = public
    return keys


NOTE = re.compile(
    r"(?P<body>(?P<origin>[!-*,-~]+)\n(?P<size>[1-9][0-9]{0,15})\n(?P<root>[A-Za-z0-9+/]{43}=)\n"
    r"time_us (?P<at_us>[0-9]{1,16})\n)\n— (?P=origin) (?P<signature>[A-Za-z0-9+/]{91}=)\n"
)
"""A signed checkpoint; the time of signing is its one extension line."""


def read_note(text: str, keys: Mapping[str, bytes] | None = None) -> tuple[str, Tree, int]:
    """Key id, tree and time of a checkpoint; `Rejected` unless one of ``keys`` (if any) signed."""
    note = NOTE.fullmatch(text)
    signed = base64.b64decode(note["signature"]) if note else b""
    if note is None or base64.b64encode(signed).decode() != note["signature"]:
        raise Rejected("malformed", "checkpoint")
    key = f"{note['origin']}+{signed[:4].hex()}"
    if keys is not None and key not in keys:
        raise Rejected("not_trusted", key)
    try:
        if keys is not None:
            Ed25519PublicKey.from_public_bytes(keys[key]).verify(signed[4:], note["body"].encode())
    except InvalidSignature:
        raise Rejected("signature", key) from None
    return key, (int(note["size"]), base64.b64decode(note["root"])), int(note["at_us"])


_Shaped = Mapping[str, Any]  # what `_fits` has looked at
_HASH = "[0-9a-f]{64}"
_RECORD = {"kind": str, "subject": str, "at_us": int, "body": dict, "links": {...: _HASH}}
_ERASED = {"index": int, "proof": [_HASH]}
_ENTRY = _ERASED | {"record": _RECORD, "salt": "[0-9a-f]{32}"}
_ROTATION = {"checkpoint": str, "entry": _ENTRY, "proof": [_HASH]}
_RECEIPT = {"format": re.escape(FORMAT), "subject": _HASH, "checkpoint": str}
_RECEIPT |= {"entries": {...: (_ENTRY, _ERASED)}, "rotations": [_ROTATION]}


def _fits(value: object, shape: object) -> bool:
    if isinstance(shape, tuple):
        return any(_fits(value, alternative) for alternative in shape)
    if isinstance(shape, str):
        return isinstance(value, str) and re.fullmatch(shape, value) is not None
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(item, shape[0]) for item in value)
    if not isinstance(shape, dict) or not isinstance(value, dict):
        return type(value) is shape
    same = ... in shape or value.keys() == shape.keys()
    return same and all(_fits(item, shape.get(key, shape.get(...))) for key, item in value.items())


def _parse(receipt: bytes) -> _Shaped:
    try:  # complex has no JSON form, so `canonical` refuses what is read as one
        value = json.loads(receipt, parse_float=complex, parse_constant=complex)
        issued = canonical(value)
    except (ValueError, TypeError, RecursionError):
        raise Rejected("malformed", "JSON") from None
    if issued != receipt or not _fits(value, _RECEIPT):
        raise Rejected("malformed" if issued == receipt else "not_canonical", FORMAT)
    return dict(value)


def _holds(check: list[str], entry: _Shaped, entries: _Shaped) -> bool:
    def value(path: str) -> object:
        *roles, last = path.split(".")
        record = entry["record"]
        for role in roles:
            record = entries[record["links"][role]]["record"]
        if last.startswith("@"):
            return record["links"][last[1:]]
        return record["at_us"] if last == "at_us" else record["body"].get(last)

    left, operator, right = check
    try:
        one, other = value(left), right if operator == "is" else value(right)
    except KeyError:
        return True  # the path ends early: the verdict on the link where it ends says so
    if operator == "<=":
        return type(one) is type(other) is int and one <= other
    if operator == "in":
        return isinstance(other, list) and one in other
    return isinstance(one, str) and isinstance(other, str) and (one == other) == (operator != "!=")


def _faults(reference: str, entries: _Shaped, tree: Tree) -> Iterator[tuple[str, str]]:
    entry, leaf = entries.get(reference), bytes.fromhex(reference)
    if entry is None:
        yield "missing", reference
    elif not is_included(leaf, entry["index"], tree, [*map(bytes.fromhex, entry["proof"])]):
        yield "not_in_log", f"index {entry['index']}"
    elif "record" not in entry:
        yield "erased", reference
    elif record_hash(bytes.fromhex(entry["salt"]), entry["record"]) != leaf:
        yield "content", ""
    elif entry["record"]["kind"] not in CHAIN:
        yield "rule", f"kind {entry['record']['kind']}"
    else:
        links, (_, needs, checks) = entry["record"]["links"], CHAIN[entry["record"]["kind"]]
        for role, kind in needs.items():
            parent = entries.get(links.get(role), {}).get("record", {"kind": kind})
            if role not in links or parent["kind"] != kind:
                yield "link", role
        for check in checks:
            if not _holds(check, entry, entries):
                yield "expired" if "<=" in check else "rule", " ".join(check)


def _walk(receipt: _Shaped, tree: Tree) -> Iterator[LinkVerdict]:
    entries, seen, queue = receipt["entries"], set[str](), [("subject", "", receipt["subject"])]
    for role, kind, reference in queue:  # grows while it is walked
        if reference in seen:
            continue
        seen.add(reference)
        fault = next(_faults(reference, entries, tree), ("", ""))
        gone = {"kind": kind, "subject": "", "links": {}}
        record = entries.get(reference, {}).get("record", gone)
        yield LinkVerdict(role, record["kind"], record["subject"], not fault[0], *fault)
        needs = CHAIN[record["kind"]][1] if record["kind"] in CHAIN else {}
        queue += [(to, needs.get(to, ""), parent) for to, parent in sorted(record["links"].items())]
    for reference in sorted(entries.keys() - seen):
        yield LinkVerdict("", "", "", False, "link", reference)


def _follow(rotation: _Shaped, keys: dict[str, bytes], tree: Tree) -> None:
    """Trust a new key as well when a trusted one signed the log that records it, and it went on."""
    key, old, _ = read_note(rotation["checkpoint"], keys)
    entry, record = rotation["entry"], rotation["entry"]["record"]
    leaf = record_hash(bytes.fromhex(entry["salt"]), record)
    logged = is_included(leaf, entry["index"], old, [*map(bytes.fromhex, entry["proof"])])
    went_on = is_extension(old, tree, [*map(bytes.fromhex, rotation["proof"])])
    new, name = read_trust(str(record["body"].get("new_public"))), key.partition("+")[0]
    about = record["kind"], record["body"].get("old_key"), {each.partition("+")[0] for each in new}
    if not (logged and went_on and about == ("key.rotated", key, {name})):  # a key of this log
        raise Rejected("rotation", key)
    keys |= new


def verify(receipt: bytes, trust: str, outside: Sequence[str] = ()) -> Verdict:
    """Judge a receipt by ``trust`` and by texts of checkpoints kept ``outside``; never raises."""
    links: tuple[LinkVerdict, ...] = ()
    role, key, reason = "trust", "", ""
    try:
        keys, role = read_trust(trust), "receipt"
        parsed = _parse(receipt[:_BYTES_MAX])
        role, note = "checkpoint", parsed["checkpoint"]
        key, tree, at_us = read_note(note)
        for rotation in parsed["rotations"]:
            if read_note(rotation["checkpoint"])[0] in keys:
                _follow(rotation, keys, tree)
        read_note(note, keys)
        links = tuple(_walk(parsed, tree))
        role, kept = "outside" if outside else role, "".join("\n" + text for text in outside)
        claim, size = ("\n".join(["", *note.split("\n")[:lines], ""]) for lines in (3, 2))
        if outside and kept.count(claim) != max(1, kept.count(size)):  # one root per size: this one
            raise Rejected("outside_differs" if size in kept else "outside_unknown", str(tree[0]))
        detail = f"size {tree[0]}, {datetime.fromtimestamp(at_us // 10**6, UTC).isoformat()}"
    except Rejected as rejected:
        reason, detail = rejected.args
    seal = LinkVerdict(role, "checkpoint", key, not reason, reason, detail)
    return Verdict(all(link.ok for link in (seal, *links)), links, seal)


def describe(verdict: Verdict, language: str) -> str:
    """The verdict for a person, a line a record."""
    chinese = language == "zh"
    lines = [(("NOT PROVED", "PROVED"), ("未能证明", "已证明"))[chinese][verdict.ok]]
    if verdict.seal.role != "outside":
        lines.append(("  no outside checkpoint was compared", "  未与外部检查点比对")[chinese])
    for link in (*verdict.links, verdict.seal):
        kind = CHAIN[link.kind][0][chinese] if link.kind in CHAIN else link.kind
        why = f"{REASONS[link.reason][chinese]} " if link.reason else ""
        lines.append(f"  {'✗✓'[link.ok]} {link.role}: {kind} {link.subject}  {why}{link.detail}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("receipt", type=Path)
    parser.add_argument("--trust", type=Path, required=True)
    parser.add_argument("--checkpoints", type=Path, action="append", default=[])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--lang", choices=("en", "zh"), default="en")
    asked = parser.parse_args(arguments)
    try:
        receipt, trust = asked.receipt.read_bytes(), asked.trust.read_text("utf-8")
        outside = [path.read_text("utf-8") for path in asked.checkpoints]
    except (OSError, ValueError) as error:
        parser.error(str(error))
    verdict = verify(receipt, trust, outside)
    text = json.dumps(asdict(verdict)) + "\n" if asked.json else describe(verdict, asked.lang)
    sys.stdout.buffer.write(text.encode())  # 中文 must not depend on the terminal's encoding
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    sys.exit(main())
