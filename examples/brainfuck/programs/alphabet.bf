read n and write n letters from a to z and again from a
cells are n and letters left and letter and is zero and spare
,
>++++++++++++++++++++++++++
>>+++++++++++[-<++++++++>]<+++++++++
<<
[-
  >>.+<-
  >>+<<[>>-<<[->>>+<<<]]>>>[-<<<+>>>]<
  [-<<++++++++++++++++++++++++++>-------------------------->]
<<<]
