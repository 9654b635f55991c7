/*
 * The next step of an error as this user can paste it. Pure.
 */
#ifndef KITTY_SUPERVISOR_CLI_ADVICE_H
#define KITTY_SUPERVISOR_CLI_ADVICE_H

/*
 * Every kitty command in the text that takes --mission and does not say one gets the mission's. A
 * mission that had to be named has to be named again. slug NULL: the text as it is. Gives.
 */
char *kt_advice_for(const char *text, const char *slug);

#endif
