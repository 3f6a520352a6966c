"""Engine, gateway and the whole set-up over a real Kafka broker."""
