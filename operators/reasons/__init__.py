"""Why an attempt broke off: rules over signals, and the sentences that explain them."""
