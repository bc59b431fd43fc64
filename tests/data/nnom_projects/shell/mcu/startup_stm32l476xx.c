#error "the board's start-up code is ours"
