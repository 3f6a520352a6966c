"""One file a step of the dataflow, named as the subject in operators/."""
