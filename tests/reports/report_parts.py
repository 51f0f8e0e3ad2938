"""The first half of a run with made-up values: data, compute, model, evaluation."""

from __future__ import annotations

import hashlib
import random

from yunhe.kernel.canonical import decimal_text
from yunhe.reports.domain import (
    Amount,
    Artefact,
    Both,
    Check,
    ClassLine,
    ComputeSection,
    Confusion,
    CorpusSection,
    Count,
    DetailLine,
    EvaluationSection,
    ExchangeSection,
    Gate,
    MetricLine,
    ModelSection,
    Pair,
    Score,
    WorkloadLine,
)

NOON_US = 1_767_268_800_000_000
DEPARTMENTS = (
    "城市管理",
    "交通运输",
    "公安",
    "住房和城乡建设",
    "人力资源和社会保障",
    "卫生健康",
    "教育",
    "生态环境",
    "市场监管",
    "水务",
    "电力",
    "民政",
)


def digest(name: str) -> str:
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()


def reference(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def identifier(prefix: str, name: str) -> str:
    return f"{prefix}_{hashlib.sha256(name.encode()).hexdigest()[:26]}"


def score(value: float, half: float) -> Score:
    return Score(
        decimal_text(value), decimal_text(value - half), decimal_text(min(value + half, 1))
    )


def proportion(hits: int, of: int, *, low: str, high: str) -> Score:
    return Score(decimal_text(hits / of), low, high, hits, of)


def corpus() -> CorpusSection:
    details = (
        ("Mobile number", "手机号", 11_204, "0.997810", "0.996430", "0.998660", 4_566, 4_576),
        ("Name", "姓名", 9_871, "0.962100", "0.956400", "0.967100", 4_804, 4_993),
        ("Identity number", "身份证号", 5_317, "1.000000", "0.998120", "1.000000", 2_040, 2_040),
        ("Address", "地址", 4_702, "0.943000", "0.935200", "0.949900", 3_588, 3_805),
        ("Number plate", "车牌号", 2_118, "0.999100", "0.994800", "0.999840", 1_089, 1_090),
        ("Bank card", "银行卡号", 640, "0.996700", "0.981600", "0.999420", 302, 303),
        ("E-mail", "电子邮箱", 233, "1.000000", "0.968100", "1.000000", 117, 117),
    )
    return CorpusSection(
        name="hotline-2026",
        holder=Both("Hotline Office (demo)", "热线办公室（示例）"),
        licence="yunhe-demo-1.0",
        documents_in=20_000,
        documents_out=17_482,
        repaired=412,
        drops=(
            Count(Both("exact duplicate", "完全重复"), 1_208),
            Count(Both("spam or advertising", "垃圾与广告"), 803),
            Count(Both("abuse without a request", "无诉求的辱骂"), 311),
            Count(Both("too short to route", "过短无法分派"), 164),
            Count(Both("damaged beyond repair", "乱码无法修复"), 32),
        ),
        details=tuple(
            DetailLine(name=Both(en, zh), masked=masked, recall=Score(value, low, high, hits, of))
            for en, zh, masked, value, low, high, hits, of in details
        ),
        recall=Score("0.975100", "0.972600", "0.977400", 16_506, 16_924),
        review_sample=400,
        near_duplicate_groups=15_930,
        certificate_id=identifier("cert", "c"),
        artefacts=(
            Artefact(Both("raw input", "原始输入"), digest("raw"), 8_123_004),
            Artefact(Both("cleansing pipeline", "清洗流程"), digest("pipeline"), 3_118),
            Artefact(Both("certified dataset", "取证数据集"), digest("output"), 2_918_733),
            Artefact(Both("certificate", "数据证书"), digest("certificate"), 2_204),
        ),
        checks=(Check(Both("cleansing again gives the same bytes", "再次清洗得到相同字节"), True),),
    )


def exchange() -> ExchangeSection:
    return ExchangeSection(
        title=Both("Hotline tickets, de-identified", "热线工单（去标识化）"),
        holder=Both("Hotline Office (demo)", "热线办公室（示例）"),
        buyer=Both("Harbour University (demo)", "海港大学（示例）"),
        licence="yunhe-demo-1.0",
        price=Amount(120_000, "CNY"),
        purposes=(Both("train a routing model", "训练分派模型"), Both("evaluation", "评测")),
        listing_id=identifier("lst", "l"),
        order_id=identifier("ord", "o"),
        grant_id=identifier("grt", "g"),
        expires_at_us=NOON_US + 90 * 86_400_000_000,
        artefacts=(Artefact(Both("usage policy", "使用政策"), digest("policy"), 611),),
        checks=(
            Check(
                Both(
                    "opening the dataset without the grant was refused",
                    "没有授权时打开数据集被拒绝",
                ),
                True,
            ),
            Check(Both("a purpose that is not permitted was refused", "不允许的用途被拒绝"), True),
        ),
    )


def compute() -> ComputeSection:
    training = WorkloadLine(
        id=identifier("wkl", "w1"),
        name=Both("training", "训练"),
        state="settled",
        held=(Amount(120_000, "device:cpu"), Amount(40, "CNY")),
        used=Amount(41_250, "device:cpu"),
        cost=Amount(14, "CNY"),
        voucher=Amount(3, "voucher:CNY"),
        isolation=Both(
            "bubblewrap: no network, read-only root, own user",
            "bubblewrap：无网络、只读根目录、独立用户",
        ),
        wall_seconds="20.6",
        memory_bytes_max=412_000_000,
        artefacts=(
            Artefact(Both("specification", "作业规格"), digest("spec"), 740),
            Artefact("train.parquet", digest("train"), 2_301_440),
            Artefact("model.safetensors", digest("model"), 9_437_184),
        ),
    )
    second = WorkloadLine(
        id=identifier("wkl", "w2"),
        name=Both("second training", "第二次训练"),
        state="waiting",
        why=Both(
            "It asks for 900.000 device-seconds; the award has 558.750 left. "
            "It starts when the operator awards more.",
            "该作业申请 900.000 设备秒，额度仅余 558.750；运营方追加额度后即可开始。",
        ),
        held=(Amount(900_000, "device:cpu"),),
    )
    return ComputeSection(
        provider=Both("Pier Compute (demo)", "码头算力（示例）"),
        site=Both("this machine", "本机"),
        chip="cpu",
        devices=2,
        price_per_device_hour=Amount(1_200, "CNY"),
        organisation=Both("Harbour University (demo)", "海港大学（示例）"),
        award=Amount(600_000, "device:cpu"),
        award_expires_at_us=NOON_US + 30 * 86_400_000_000,
        voucher=Amount(10_000, "voucher:CNY"),
        voucher_share_percent=20,
        workloads=(training, second),
        checks=(
            Check(
                Both(
                    "a workload that tried to read the database could not",
                    "试图读取数据库的作业未能得逞",
                ),
                True,
            ),
            Check(
                Both(
                    "a workload that tried to read the signing key could not",
                    "试图读取签名密钥的作业未能得逞",
                ),
                True,
            ),
        ),
    )


def models() -> ModelSection:
    return ModelSection(
        name="hotline-router",
        version_id=identifier("mdl", "m"),
        algorithm=Both("logistic regression on character n-grams", "字符 n-gram 逻辑回归"),
        classes=12,
        train_documents=13_980,
        settings=(
            Pair(Both("seed", "随机种子"), "7"),
            Pair("ngram", "1–3"),
            Pair(Both("features", "特征数"), "262144"),
        ),
        artefacts=(
            Artefact("model.safetensors", digest("model"), 9_437_184),
            Artefact("manifest.json", digest("manifest"), 1_402),
            Artefact("card.json", digest("card"), 2_210),
        ),
    )


def evaluation(classes: int = 12) -> EvaluationSection:
    seeded = random.Random(5)
    names = tuple(DEPARTMENTS[i % 12] + ("" if i < 12 else str(i)) for i in range(classes))
    counts = []
    lines = []
    for truth in range(classes):
        support = seeded.randint(120, 520)
        wrong = [seeded.choice((0, 0, 1, 2, 3, 5, 8, 14)) for _ in range(classes)]
        wrong[truth] = 0
        right = max(support - sum(wrong), 20)
        counts.append(tuple(right if i == truth else wrong[i] for i in range(classes)))
        value = right / (right + sum(wrong))
        lines.append(
            ClassLine(names[truth], support, score(value, 0.03), score(value - 0.15, 0.04))
        )
    return EvaluationSection(
        train_documents=13_980,
        heldout_documents=3_502,
        groups=15_930,
        baseline_name=Both("keyword rules", "关键词规则"),
        metrics=(
            MetricLine("macro-F1", score(0.8912, 0.0113), score(0.7344, 0.0151)),
            MetricLine(Both("accuracy", "准确率"), score(0.9023, 0.0099), score(0.7511, 0.0144)),
        ),
        classes=tuple(lines),
        confusion=Confusion(names, tuple(counts)),
        gate=Gate(
            metric="macro-F1",
            lower_bound="0.879900",
            at_least="0.800000",
            over_baseline="0.050000",
            passed=True,
        ),
        artefacts=(
            Artefact(Both("held-out part", "留出部分"), digest("heldout"), 610_020),
            Artefact(Both("results", "结果"), digest("results"), 8_120),
        ),
    )
