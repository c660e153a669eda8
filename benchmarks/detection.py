"""How well events are found and answers are read: on the embedded model's truth and on real data.

    python benchmarks/detection.py [--chains 1000]

Precision and recall count events; brackets are 95 % intervals over problems. `first only` is what
the first version kept: one case-insensitive match per text.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from augury.evaluate.detection import DetectionScore, Place, joined, score_detector
from augury.evaluate.intervals import Interval
from augury.models.generate import Sampling
from augury.models.load import ModelConfig, load_model
from augury.organism.chains import held_out_problems, sample_chains
from augury.runs.progress import quiet
from augury.targets.numeric_answer import judge_answer, read_answer, same_number
from augury.targets.triggers import Triggers, find_triggers
from augury.traces.sources.annotated_chains import read_annotated_chains
from augury.traces.trace import Trace

SEED = re.compile(r"\b(?:wait|actually|hold on)\b", re.IGNORECASE)
Detector = Callable[[Trace], list[Place]]


def ours(*, relaxed: bool) -> Detector:
    def find(trace: Trace) -> list[Place]:
        found = find_triggers(trace.completion, Triggers(), prompt=trace.prompt)
        return [(one.start, one.end) for one in found if relaxed or one.strict]

    return find


def any_word(trace: Trace) -> list[Place]:
    return [hit.span() for hit in SEED.finditer(trace.completion)]


DETECTORS: dict[str, Detector] = {
    "strict": ours(relaxed=False),
    "strict or relaxed": ours(relaxed=True),
    "any word": any_word,
    "first only": lambda trace: any_word(trace)[:1],
}


def true_events(trace: Trace) -> list[Place]:
    shift = len(trace.prompt)
    spans = [(s.start - shift, s.end - shift) for s in trace.spans if s.label == "backtracking"]
    return joined(spans, trace.completion)


def table(name: str, traces: Sequence[Trace]) -> None:
    true = [true_events(trace) for trace in traces]
    print(f"{name}: {len(traces)} texts, {sum(map(len, true))} events")
    for detector, find in DETECTORS.items():
        found = [find(trace) for trace in traces]
        score = score_detector(found, true, [trace.group for trace in traces])
        print(f"  {detector:18s}{line(score)}")


def line(score: DetectionScore) -> str:
    shares = (
        ("precision", score.precision, score.precision_interval),
        ("recall", score.recall, score.recall_interval),
    )
    told = [
        f"{name} {'-' if value is None else f'{value:.3f}'} {ends(held)}"
        for name, value, held in shares
    ]
    return f"found {score.found:5d}  {'  '.join(told)}"


def ends(held: Interval | None) -> str:
    return "[    -    ]" if held is None else f"[{held.low:.3f}, {held.high:.3f}]"


def answers(data: Path) -> None:
    print("numeric answers: share that is not read as graded, or as the text's own mark says")
    lines = (data / "gsm8k/example_model_solutions.jsonl").read_text().splitlines()
    total = graded = unmarked = marked = 0
    for record in map(json.loads, lines):
        gold = record["ground_truth"].rpartition("A:")[2]
        for value in record.values():
            if not isinstance(value, dict):
                continue
            text = value["solution"]
            total += 1
            graded += (judge_answer(text, gold, finished=True) == "right") != value["is_correct"]
            body, mark, own = text.rpartition("\nA:")
            if mark:
                marked += 1
                one, other = read_answer(body).value, read_answer(own).value
                unmarked += one is None or other is None or not same_number(one, other)
    print(f"  {total} model solutions, against their graders        {graded / total:8.4f}")
    print(f"  {marked} of them, their last line `A: n` cut off       {unmarked / marked:8.4f}")
    wrong = count = 0
    for split in ("train", "test"):
        for record in map(json.loads, (data / f"gsm8k/{split}.jsonl").read_text().splitlines()):
            body, _, gold = record["answer"].rpartition("\n#### ")
            count += 1
            wrong += judge_answer(body, gold, finished=True) != "right"
    print(f"  {count} human solutions, their last line `#### n` cut off {wrong / count:5.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chains", type=int, default=1000)
    arguments = parser.parse_args()
    loaded = load_model(ModelConfig(name="organism", device="cpu"))
    with quiet():
        chains = sample_chains(
            loaded, held_out_problems(arguments.chains, 11), Sampling(max_new_tokens=400)
        )
    table("embedded model, the grammar's truth", chains)
    data = Path(os.environ["AUGURY_DATA"])
    path = data / "annotated_chains/all_annotated_chains.json"
    table("annotated chains, the annotator's labels", read_annotated_chains(path).traces)
    answers(data)


if __name__ == "__main__":
    main()
