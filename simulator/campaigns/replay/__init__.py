"""A recorded run once more: on the model or on a real disk, compared step by step."""
