"""Mixed traffic for as long as one likes, while servers die and come back; every answer is judged."""
