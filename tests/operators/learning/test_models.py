"""Champion, challengers and drift."""

from random import Random

from operators.learning.champion_challenger import LEAST_LABELS, ChampionChallenger
from operators.learning.drift import MICRO_BATCH, DriftWatch
from operators.learning.scorer import LEARNT_AFTER_DRIFT, LOOKS, Scorer
from operators.tracking.features import AttemptFeatures


def test_the_lead_changes_only_for_a_clear_and_lasting_advantage() -> None:
    contenders = ChampionChallenger("linear")
    leaders: list[str] = []
    for _ in range(LEAST_LABELS):
        contenders.compare("base", 0.9, 0.6, outcome=True)
        leaders.append(contenders.leader)
    assert leaders == ["linear"] * (LEAST_LABELS - 1) + ["base"]
    for number in range(2_000):
        contenders.compare("linear", 0.501, 0.5, outcome=number % 2 == 0)
    assert contenders.leader == "base", "as good as equal"


def settled(scorer: Scorer, known: AttemptFeatures, outcome: bool, chance: int) -> float:
    silence = scorer.silence(known)
    score = scorer.score(silence, 0)
    scorer.settle([scorer.prediction(silence, 0, 0, score)], outcome, chance)
    return score


def test_the_tree_leads_where_only_two_features_together_say_anything() -> None:
    random, scorer = Random(3), Scorer((30_000, 60_000))
    for _ in range(9_000):
        age, dwell = random.choice((4, 14)), random.choice((4, 14))
        settled(
            scorer, AttemptFeatures("pay", 30_000, age, bytes((dwell,))), (age == dwell) == (random.random() < 0.95), 0
        )
    assert scorer.champion_challenger.leader == "tree"
    said = {
        (age, dwell): settled(scorer, AttemptFeatures("pay", 30_000, age, bytes((dwell,))), outcome=True, chance=1)
        for age in (4, 14)
        for dwell in (4, 14)
    }
    assert min(said[4, 4], said[14, 14]) > 0.7
    assert max(said[4, 14], said[14, 4]) < 0.3


def test_a_drift_of_the_error_is_noticed_and_all_is_learnt_again() -> None:
    random, scorer = Random(4), Scorer((30_000, 60_000))
    for number in range(12_000):
        age = random.choice((4, 14))
        settled(scorer, AttemptFeatures("pay", 30_000, age, b"\x05"), (age == 4) == (random.random() < 0.9), number)
    assert "error" not in scorer.drifts
    before = scorer.learnt
    for number in range(3_000):
        age = random.choice((4, 14))
        settled(scorer, AttemptFeatures("pay", 30_000, age, b"\x05"), (age == 14) == (random.random() < 0.9), number)
    assert scorer.drifts["error"] >= 1
    assert scorer.learnt > before + min(LEARNT_AFTER_DRIFT, 1_500)


def test_an_error_that_falls_is_no_drift_one_that_rises_is() -> None:
    random, known = Random(5), AttemptFeatures("pay", 30_000, 4, b"\x05")
    watch, said = DriftWatch(), list[list[str]]()
    for error in (0.8, 0.2, 0.8):
        noticed: list[str] = []
        for _ in range(4_000):
            noticed += watch.see(min(max(random.gauss(error, 0.1), 0.0), 1.0), known)
        said.append(noticed)
    assert said == [[], [], ["error"]]


def test_nothing_drifts_where_nothing_changes() -> None:
    random, watch = Random(5), DriftWatch()
    found = [
        watch.see(random.random(), AttemptFeatures("pay", 1, random.randrange(20), b""))
        for _ in range(400 * MICRO_BATCH)
    ]
    assert sum(map(len, found)) == 0


def test_in_a_hurry_one_attempt_in_eight_is_learnt_from_and_all_are_predicted() -> None:
    scorer, known = Scorer((30_000,)), AttemptFeatures("pay", 30_000, 4, b"\x05")
    settled(scorer, known, outcome=True, chance=1 << 16)
    scorer.hurries = True
    scores = [settled(scorer, known, outcome=True, chance=number << 16) for number in range(800)]
    assert (scorer.learnt, scorer.sampled_out, scorer.figures.state.labels) == (1 + 100, 700, 801)
    assert scores == sorted(scores), "what is learnt counts at once"
    assert sum(scorer.keeps(0, number << 16) for number in range(800)) == 100
    scorer.hurries = False
    settled(scorer, known, outcome=True, chance=1 << 16)
    assert scorer.learnt == 1 + 100 + 1


def test_of_many_looks_the_rarer_are_learnt_more_often() -> None:
    scorer = Scorer((30_000, 60_000, 120_000, 300_000))
    scorer.learnt = 10**6
    kept = [sum(scorer.keeps(place, chance) for chance in range(400)) for place in range(LOOKS)]
    assert kept == [100, 200, 400]
    assert scorer.sampled_out == 300 + 200
