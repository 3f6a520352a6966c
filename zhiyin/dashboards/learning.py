"""The dashboard of learning: how good predictions are, what is learnt from, and what hints are worth."""

from typing import Final

from zhiyin.dashboards.panels import JOURNEY, RATE, Dashboard, Panel, Query, Row

_MODEL: Final = "{{journey}} / {{question}} / {{model}}"
_ALL: Final = f"{{{JOURNEY}}}"

LEARNING: Final = Dashboard(
    "zhiyin-learning",
    "Learning",
    "How good the predictions are, what they are learnt from, and what hints are worth.",
    (
        Row(
            "Predictions, each scored before its outcome was learnt",
            (
                Panel(
                    "Better than step and checkpoint alone",
                    "By how much log loss is below that of the base rate; below 0 the model is worth nothing.",
                    (Query(f"zhiyin_model_base_log_loss{_ALL} - zhiyin_model_log_loss{_ALL}", _MODEL),),
                    below_zero=True,
                ),
                Panel(
                    "Calibration error",
                    "By how much what is said differs from what happens, mean over ten bins.",
                    (Query(f"zhiyin_model_calibration_error_ratio{_ALL}", _MODEL),),
                    "percentunit",
                    limit=0.1,
                ),
                Panel(
                    "Discrimination (AUC)",
                    "Chance that an attempt that turns out yes had the higher score; a half is guessing.",
                    (Query(f"zhiyin_model_auc_ratio{_ALL}", _MODEL),),
                ),
                Panel("Brier score", "Mean squared error.", (Query(f"zhiyin_model_brier{_ALL}", _MODEL),)),
                Panel(
                    "Who leads",
                    "1: this model's score is what is told; 0: it only runs along.",
                    (Query(f"zhiyin_model_leads{_ALL}", _MODEL),),
                ),
                Panel(
                    "Predictions scored",
                    "So far; figures of few say little.",
                    (Query(f"zhiyin_model_scored_predictions{_ALL}", _MODEL),),
                ),
            ),
        ),
        Row(
            "What is learnt from",
            (
                Panel(
                    "Outcomes",
                    "Learnt, sampled out because the stream is faster, dropped because too many waited.",
                    (Query(f"sum by (outcome) (delta(zhiyin_learning_labels{_ALL}[{RATE}]))", "{{outcome}}"),),
                    stacked=True,
                ),
                Panel(
                    "Waiting for their outcome",
                    "Predictions.",
                    (Query(f"zhiyin_learning_pending_predictions{_ALL}", "{{journey}}"),),
                    stacked=True,
                ),
                Panel(
                    "Models last saved",
                    "How long ago.",
                    (Query(f"time() - zhiyin_models_saved_timestamp_seconds{_ALL}", "{{journey}}"),),
                    "s",
                ),
            ),
        ),
        Row(
            "What hints are worth",
            (
                Panel(
                    "Uplift",
                    "Share of the offered that completed, less that of the control group, with its 95 % interval.",
                    (
                        Query(f"zhiyin_uplift_ratio{_ALL}", "{{journey}}"),
                        Query(f"zhiyin_uplift_low_ratio{_ALL}", "{{journey}}, low"),
                        Query(f"zhiyin_uplift_high_ratio{_ALL}", "{{journey}}, high"),
                    ),
                    "percentunit",
                    width=12,
                    below_zero=True,
                ),
                Panel(
                    "Attempts counted",
                    "By group; in a small control group only a large uplift shows.",
                    (Query(f"sum by (group) (zhiyin_uplift_attempts{_ALL})", "{{group}}"),),
                    width=12,
                ),
            ),
        ),
    ),
)
