"""All that knows librdkafka: the bus on Kafka, topics that hold each entry once, their pages."""
