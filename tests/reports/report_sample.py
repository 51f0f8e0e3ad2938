"""A full run with made-up values, as the plan runner would hand it over."""

from __future__ import annotations

from dataclasses import replace

from report_parts import (
    NOON_US,
    compute,
    corpus,
    digest,
    evaluation,
    exchange,
    identifier,
    models,
    reference,
)

from yunhe.reports.domain import (
    STAGES,
    Amount,
    Answer,
    ApprovalLine,
    Artefact,
    BalanceLine,
    Both,
    Candidate,
    Chain,
    Check,
    Command,
    GovernanceSection,
    LedgerSection,
    Link,
    MeasureLine,
    Movement,
    Pair,
    Phrase,
    RuleLine,
    ServingSection,
    Stage,
    Stop,
    TamperLine,
    VerificationSection,
)


def governance() -> GovernanceSection:
    return GovernanceSection(
        tier="R2",
        tier_name=Both("limited risk", "有限风险"),
        rules_version="2026-11",
        facts=(
            Pair("public_facing", Both("yes", "是")),
            Pair("generative", Both("no", "否")),
            Pair("decision_effect", "advice"),
            Pair("personal_data", "pi"),
        ),
        fired=(
            RuleLine(
                id="M2",
                tier="R2",
                name=Both("scheduling or routing with public users", "面向公众的调度或分派"),
                source=Both(
                    "Algorithm Recommendation Provisions, 2022", "《算法推荐管理规定》（2022）"
                ),
                verified=False,
            ),
            RuleLine(
                id="L1",
                tier="R1",
                name=Both("a person reviews the output", "输出由人复核"),
                source=Both("design of this project", "本项目设计"),
                verified=True,
            ),
        ),
        measures=(
            MeasureLine(
                name=Both("algorithm filing", "算法备案"),
                source=Both("Algorithm Recommendation Provisions", "《算法推荐管理规定》"),
                done=False,
                verified=False,
                due=Both("within 10 working days of launch", "上线后 10 个工作日内"),
            ),
            MeasureLine(
                name=Both("evaluation against a baseline", "与基线对比的评测"),
                source=Both("release policy", "发布政策"),
                done=True,
                verified=True,
            ),
        ),
        approvals=(
            ApprovalLine(
                approver=identifier("mbr", "a"),
                role=Both("risk officer", "风险官"),
                approved=True,
                at_us=NOON_US + 61_000_000,
                expires_at_us=NOON_US + 90 * 86_400_000_000,
            ),
            ApprovalLine(
                approver=identifier("mbr", "b"),
                role=Both("release owner", "发布负责人"),
                approved=True,
                at_us=NOON_US + 62_000_000,
                expires_at_us=NOON_US + 90 * 86_400_000_000,
            ),
        ),
        release_id=identifier("rel", "r"),
        valid_until_us=NOON_US + 90 * 86_400_000_000,
        artefacts=(Artefact(Both("facts", "事实"), digest("facts"), 320),),
        checks=(
            Check(
                Both(
                    "a second approval by the same person was refused", "同一人的第二次批准被拒绝"
                ),
                True,
            ),
        ),
    )


def serving() -> ServingSection:
    first = Answer(
        id=identifier("ans", "1"),
        question="小区门口的路灯坏了一个星期，晚上接孩子很不安全，请派人来修。联系电话[手机号]。",
        label="城市管理",
        candidates=(
            Candidate("城市管理", "0.871400"),
            Candidate("电力", "0.090100"),
            Candidate("交通运输", "0.021700"),
        ),
        at_us=NOON_US + 70_000_000,
        device_us=1_840,
    )
    second = replace(
        first,
        id=identifier("ans", "2"),
        question="自来水发黄有异味，已经三天了。",
        label="水务",
        candidates=(),
    )
    return ServingSection(
        route="hotline",
        deployment_id=identifier("dep", "d"),
        answers=2,
        shown=(first, second),
        artefacts=(Artefact("model.safetensors", digest("model"), 9_437_184),),
        checks=(
            Check(Both("an unapproved version was refused", "未批准的版本被拒绝"), True),
            Check(
                Both("a version with one changed byte was refused", "改动一个字节的版本被拒绝"),
                True,
            ),
        ),
    )


GRAPH = (
    ("answer", "serving.answer", ("deployment",)),
    ("deployment", "serving.deployment", ("release",)),
    ("release", "governance.release", ("model", "evaluation", "risk", "approval_1", "approval_2")),
    ("approval_1", "governance.approval", ("model", "evaluation", "risk")),
    ("approval_2", "governance.approval", ("model", "evaluation", "risk")),
    ("evaluation", "evaluation.run", ("model", "split")),
    ("risk", "governance.risk", ("model",)),
    ("model", "model.version", ("usage", "split")),
    ("usage", "compute.usage", ("award", "split")),
    ("award", "compute.award", ()),
    ("split", "evaluation.split", ("grant",)),
    ("grant", "data.grant", ("listing",)),
    ("listing", "data.listing", ("certificate",)),
    ("certificate", "data.certificate", ("source",)),
    ("source", "data.source", ()),
)


def links(*, broken: str | None = None) -> tuple[Link, ...]:
    return tuple(
        Link(
            reference=reference(name),
            kind=kind,
            subject=identifier(kind.split(".")[1][:4], name),
            ok=name != broken,
            reason=Both("its digest differs from the model's", "其摘要与模型不一致")
            if name == broken
            else None,
            at_us=NOON_US + 70_000_000 - index * 4_000_000,
            parents=tuple((parent, reference(parent)) for parent in parents),
        )
        for index, (name, kind, parents) in enumerate(GRAPH)
    )


CHANGED = (
    ("raw input", "原始输入", "data.source", "source"),
    ("certified dataset", "取证数据集", "data.certificate", "certificate"),
    ("usage policy", "使用政策", "data.listing", "listing"),
    ("training part", "训练部分", "evaluation.split", "split"),
    ("model weights", "模型权重", "model.version", "model"),
    ("evaluation results", "评测结果", "evaluation.run", "evaluation"),
    ("one approval", "一项批准", "governance.approval", "approval_1"),
    ("the answer", "回答", "serving.answer", "answer"),
)


def tamper() -> tuple[TamperLine, ...]:
    return tuple(
        TamperLine(
            artefact=Both(en, zh),
            found=True,
            kind=kind,
            subject=identifier(kind.split(".")[1][:4], name),
            reason=Both(
                f"The bytes of the {en} do not have the digest that the record names.",
                f"{zh}的字节与记录所载的摘要不符。",
            ),
        )
        for en, zh, kind, name in CHANGED
    )


def verification(*, broken: str | None = None) -> VerificationSection:
    return VerificationSection(
        answer_id=identifier("ans", "1"),
        ok=broken is None,
        links=links(broken=broken),
        origin="yunhe.example/demo",
        tree_size=1_284,
        root=reference("root"),
        checkpoint_at_us=NOON_US + 71_000_000,
        key="yunhe.example/demo+8d41a7c2",
        outside=(
            Check(Both("file checkpoints/outside.txt", "文件 checkpoints/outside.txt"), True),
        ),
        command="yunhe verify receipt.json --trust trust.txt",
        artefacts=(Artefact("receipt.json", digest("receipt"), 31_220),),
        tamper=tamper(),
    )


def ledger() -> LedgerSection:
    university = Both("Harbour University (demo)", "海港大学（示例）")
    office = Both("Hotline Office (demo)", "热线办公室（示例）")
    pier = Both("Pier Compute (demo)", "码头算力（示例）")
    operator = Both("Operator", "运营方")
    return LedgerSection(
        balances=(
            BalanceLine(owner=university, purpose="cash", unit="CNY", available=379_989),
            BalanceLine(owner=university, purpose="voucher", unit="voucher:CNY", available=9_997),
            BalanceLine(owner=university, purpose="award", unit="device:cpu", available=558_750),
            BalanceLine(owner=office, purpose="cash", unit="CNY", available=120_000),
            BalanceLine(owner=pier, purpose="cash", unit="CNY", available=11),
            BalanceLine(owner=operator, purpose="issuance", unit="CNY", available=-500_000),
        ),
        movements=(
            Movement(
                what=Both("dataset order", "数据订单"),
                payer=university,
                payee=office,
                amount=Amount(120_000, "CNY"),
            ),
            Movement(
                what=Both("training", "训练"),
                payer=university,
                payee=pier,
                amount=Amount(11, "CNY"),
            ),
        ),
        transfers=9,
        holds_open=0,
        balanced=True,
    )


def full() -> Chain:
    """Everything there, everything well."""
    seconds = ("14.2", "0.3", "21.9", "0.4", "3.1", "0.2", "0.9", "0.1")
    return Chain(
        run_id=identifier("run", "demo"),
        plan="examples/hotline/plan.yaml",
        plan_digest=digest("plan"),
        title=Both("Routing citizens' hotline tickets", "市民热线工单分派"),
        synthetic=True,
        started_at_us=NOON_US,
        finished_at_us=NOON_US + 71_400_000,
        seconds="41.1",
        stages=tuple(
            Stage(name=name, state="reused" if name == "exchange" else "done", seconds=took)
            for name, took in zip(STAGES, seconds, strict=True)
        ),
        corpus=corpus(),
        exchange=exchange(),
        compute=compute(),
        models=models(),
        evaluation=evaluation(),
        governance=governance(),
        serving=serving(),
        verification=verification(),
        ledger=ledger(),
        commands=(
            Command(
                Both("Run it again; finished work is kept.", "再次运行；已完成的工作会保留。"),
                "yunhe run examples/hotline/plan.yaml",
            ),
            Command(
                Both("Verify the receipt anywhere.", "在任何地方核验凭证。"),
                "yunhe verify receipt.json --trust trust.txt",
            ),
        ),
        machine=(
            Pair(Both("processors", "处理器"), "2"),
            Pair(Both("system", "系统"), "Linux x86_64"),
        ),
        versions=(Pair("yunhe", "0.1.0"), Pair("Python", "3.11.7"), Pair("scikit-learn", "1.9.1")),
    )


def broken() -> Chain:
    """The same with one link that fails and one changed byte that nobody noticed."""
    section = verification(broken="evaluation")
    unnoticed = replace(section.tamper[0], found=False, kind=None, subject=None, reason=None)
    return replace(full(), verification=replace(section, tamper=(unnoticed, *section.tamper[1:])))


def stopped(at: int = 2) -> Chain:
    """The same, stopped in the stage with that index."""
    whole = full()
    later = dict.fromkeys(STAGES[at:])
    return replace(
        whole,
        finished_at_us=None,
        seconds=None,
        stages=tuple(
            stage if index < at else Stage(name=stage.name, state="stopped")
            for index, stage in enumerate(whole.stages[: at + 1])
        ),
        stopped=Stop(
            STAGES[at],
            Phrase("storage.disk_full", (("where", "/data/yunhe"),)),
            Phrase("storage.disk_full.do", (("where", "/data/yunhe"),)),
        ),
        **later,
    )
