"""An abandonment becomes a hint or a counted why-not: arbitration, wording, quiet hours, uplift."""
