"""What is true: names, commands, events, rules, rooms and their logs. Pure; knows no network."""
