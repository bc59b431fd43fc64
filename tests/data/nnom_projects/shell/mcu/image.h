static const int8_t img[3][4] = {{100, 20, 30, 40}, {-100, 90, -80, 70}, {1, 2, 3, 4}};
static const int8_t label[3] = {0, 1, 0};
